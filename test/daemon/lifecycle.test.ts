// The life of a daemon, with the process and its signals played by the test.
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { addressInUse } from '../../src/daemon/errors.ts';
import { type LifecycleOptions, runLifecycle, type Step } from '../../src/daemon/lifecycle.ts';
import { Readiness } from '../../src/daemon/readiness.ts';
import { FakeProcess } from './fake-process.ts';

function life(steps: readonly Step[], options: Partial<LifecycleOptions> = {}) {
  const host = new FakeProcess();
  const readiness = new Readiness();
  const records: { level: number; msg: string; err?: { message: string; code?: string } }[] = [];
  const log = pino({ level: 'debug' }, { write: (line) => void records.push(JSON.parse(line)) });
  const done = runLifecycle({ steps, log, readiness, shutdownDelay: 0, shutdownTimeout: 1000, host, ...options });
  const logged = () => records.map(({ msg }) => msg);
  return { host, readiness, done, records, logged };
}

/** Steps that note what happens to them. */
function noting(events: string[], ...names: string[]): Step[] {
  return names.map((name) => ({
    name,
    start: async () => {
      await sleep(1);
      events.push(`start ${name}`);
    },
    stop: async () => {
      await sleep(1);
      events.push(`stop ${name}`);
    },
  }));
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(2);
}

test('steps start in order and stop in reverse', async () => {
  const events: string[] = [];
  const { host, readiness, done } = life(noting(events, 'a', 'b'));
  expect(readiness.reasons()).toEqual(['startup: still starting']);
  await until(() => readiness.isReady);
  host.emit('SIGTERM');
  expect(await done).toBe(0);
  expect(events).toEqual(['start a', 'start b', 'stop b', 'stop a']);
  expect(host.exits).toEqual([0]);
  expect(host.eventNames()).toEqual([]);
});

test('a terminal that is closed stops it like any signal', async () => {
  const events: string[] = [];
  const { host, readiness, done, logged } = life(noting(events, 'a'));
  await until(() => readiness.isReady);
  host.emit('SIGHUP');
  expect(await done).toBe(0);
  expect(events).toEqual(['start a', 'stop a']);
  expect(logged()).toContain('stopped');
});

test('after a signal it is not ready, and serves on for the shutdown delay', async () => {
  const events: string[] = [];
  const { host, readiness, done } = life(noting(events, 'a'), { shutdownDelay: 100 });
  await until(() => readiness.isReady);
  const began = performance.now();
  host.emit('SIGINT');
  expect(readiness.reasons()).toEqual(['shutdown: stopping after SIGINT']);
  await sleep(50);
  expect(events).toEqual(['start a']);
  await done;
  expect(performance.now() - began).toBeGreaterThanOrEqual(95);
});

test('what does not stop in time is forced', async () => {
  let forced = false;
  const stubborn: Step = {
    name: 'stubborn',
    start: () => {},
    stop: async (force) => {
      await new Promise((resolve) => force.addEventListener('abort', resolve));
      forced = true;
    },
  };
  const { host, readiness, done, logged } = life([stubborn], { shutdownTimeout: 50 });
  await until(() => readiness.isReady);
  host.emit('SIGTERM');
  expect(await done).toBe(0);
  expect(forced).toBe(true);
  expect(logged()).toContain('not stopped in 50ms: forcing');
});

test('what does not even stop by force is left behind', async () => {
  const deaf: Step = { name: 'deaf', start: () => {}, stop: () => new Promise(() => {}) };
  const { host, readiness, done } = life([deaf], { shutdownTimeout: 10 });
  await until(() => readiness.isReady);
  host.emit('SIGTERM');
  expect(await done).toBe(0);
});

test.each([
  ['SIGHUP', 129],
  ['SIGINT', 130],
  ['SIGTERM', 143],
])('a second signal, %s, exits at once', async (signal, code) => {
  const { host, readiness, done } = life([], { shutdownDelay: 60_000 });
  await until(() => readiness.isReady);
  host.emit('SIGTERM');
  host.emit(signal);
  expect(await done).toBe(code);
});

test('a step that fails to start ends it, after those before it were stopped', async () => {
  const events: string[] = [];
  const failing: Step = {
    name: 'bad',
    start: () => {
      throw addressInUse('health', '127.0.0.1:1');
    },
    stop: () => void events.push('stop bad'),
  };
  const { done, records, readiness } = life([...noting(events, 'a'), failing, ...noting(events, 'c')]);
  expect(await done).toBe(1);
  expect(events).toEqual(['start a', 'stop a']);
  expect(readiness.isReady).toBe(false);
  expect(records.filter(({ level }) => level >= 50)).toMatchObject([
    { msg: 'start failed', err: { message: 'health: 127.0.0.1:1 is in use by another process' } },
  ]);
});

test('a failure without a code says which step it was', async () => {
  const failing: Step = { name: 'cache', start: () => Promise.reject(new Error('disk on fire')) };
  const { done, records } = life([failing]);
  expect(await done).toBe(1);
  expect(records.find(({ msg }) => msg === 'start failed')?.err).toMatchObject({
    message: expect.stringContaining('cannot start: cache: disk on fire'),
    code: 'GPUB_START_FAILED',
  });
});

test('a signal while starting gives up the start, and stops what was started without delay', async () => {
  const events: string[] = [];
  const waiting: Step = {
    name: 'waiting',
    start: (abort) => new Promise((_resolve, reject) => abort.addEventListener('abort', () => reject(abort.reason))),
  };
  const { host, done } = life([...noting(events, 'a'), waiting], { shutdownDelay: 60_000 });
  await until(() => events.length === 1);
  await sleep(5);
  host.emit('SIGTERM');
  expect(await done).toBe(0);
  expect(events).toEqual(['start a', 'stop a']);
});

test('a step that fails to stop does not keep the others', async () => {
  const events: string[] = [];
  const failing: Step = { name: 'bad', start: () => {}, stop: () => Promise.reject(new Error('stuck')) };
  const { host, readiness, done, logged } = life([...noting(events, 'a'), failing]);
  await until(() => readiness.isReady);
  host.emit('SIGTERM');
  expect(await done).toBe(0);
  expect(events).toContain('stop a');
  expect(logged()).toContain('step failed to stop');
});

test.each(['uncaughtException', 'unhandledRejection'])('%s is logged and ends it', async (event) => {
  const { host, readiness, done, records } = life([]);
  await until(() => readiness.isReady);
  host.emit(event, new Error('fault'));
  expect(await done).toBe(1);
  expect(records.at(-1)).toMatchObject({ level: 60, msg: 'unexpected error: exiting', err: { message: 'fault' } });
});

test('a part that fails later ends it with 1, after all were stopped', async () => {
  const events: string[] = [];
  const failing = Promise.withResolvers<Error>();
  const [first, second] = noting(events, 'a', 'b') as [Step, Step];
  const { host, readiness, done, records } = life([{ ...first, failed: () => failing.promise }, second]);
  await until(() => readiness.isReady);
  failing.resolve(addressInUse('health', '127.0.0.1:1'));
  expect(await done).toBe(1);
  expect(events).toEqual(['start a', 'start b', 'stop b', 'stop a']);
  expect(records.find(({ level }) => level === 60)).toMatchObject({ msg: 'cannot go on' });
  expect(host.eventNames()).toEqual([]);
});
