// `gpubroker changes`: every event once and in order, also when the broker restarts.
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import { appendToJournal } from '../../../src/broker/events/journal.ts';
import { followChanges } from '../../../src/cli/broker/changes.ts';
import { runCommandLine } from '../../../src/cli/run.ts';
import { createClient } from '../../../src/client/client.ts';
import { type ServedBroker, testBroker } from './broker.ts';

interface Followed {
  readonly lines: () => string[];
  readonly remarks: () => string;
  readonly stop: AbortController;
  readonly ended: Promise<void>;
  /** Resolves when the broker has said where the stream is. */
  readonly begun: Promise<void>;
}

const patience = { first: 20, longest: 100 };

function catchOutput(): { stdout: string; stderr: string } {
  const written = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    const spy = vi.spyOn(process[stream], 'write').mockImplementation((text) => {
      written[stream] += text;
      return true;
    });
    onTestFinished(() => spy.mockRestore());
  }
  return written;
}

function follow({ url, people }: ServedBroker, json = true): Followed {
  const written = catchOutput();
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  const { promise: begun, resolve } = Promise.withResolvers<void>();
  const client = createClient({ url, token: people.admin.key });
  async function* observed(...given: Parameters<typeof client.follow>) {
    for await (const event of client.follow(...given)) {
      resolve();
      yield event;
    }
  }
  const ended = followChanges({ ...client, follow: observed }, json, stop.signal, patience);
  ended.catch(() => undefined);
  return {
    lines: () => written.stdout.split('\n').filter(Boolean),
    remarks: () => written.stderr,
    stop,
    ended,
    begun,
  };
}

async function happen({ database: { db } }: ServedBroker, ...numbers: number[]): Promise<void> {
  const events = numbers.map((number) => ({ kind: 'test.happened', at: new Date(), data: { number } }));
  await db.transaction().execute((trx) => appendToJournal(trx, events));
}

const numbersOf = ({ lines }: Followed) => lines().map((line) => JSON.parse(line).data.number as number);

test('tells what happens from now on, across restarts, once each and in order; ends when told to', async () => {
  const broker = await testBroker();
  await happen(broker, 1);
  const followed = follow(broker);
  await followed.begun;
  await happen(broker, 2);
  await vi.waitFor(() => expect(numbersOf(followed)).toEqual([2]), 10_000);
  for (const next of [3, 6]) {
    await broker.stop();
    await happen(broker, next, next + 1);
    await broker.start();
    await happen(broker, next + 2);
  }
  const all = [2, 3, 4, 5, 6, 7, 8];
  await vi.waitFor(() => expect(numbersOf(followed)).toEqual(all), 15_000);
  await sleep(200);
  expect(numbersOf(followed)).toEqual(all);
  expect(followed.remarks()).toContain('following again');
  followed.stop.abort();
  await followed.ended;
});

test('a restart before the first event loses nothing', async () => {
  const broker = await testBroker();
  const followed = follow(broker);
  await followed.begun;
  await broker.stop();
  await happen(broker, 1);
  await broker.start();
  await vi.waitFor(() => expect(numbersOf(followed)).toEqual([1]), 15_000);
  followed.stop.abort();
  await followed.ended;
});

test('ends while the broker is away, too', async () => {
  const broker = await testBroker();
  const followed = follow(broker);
  await followed.begun;
  await broker.stop();
  await vi.waitFor(() => expect(followed.remarks()).toContain('no answer from'), 10_000);
  followed.stop.abort();
  await followed.ended;
});

test('the line for people cannot be broken by what happens', async () => {
  const broker = await testBroker();
  const followed = follow(broker, false);
  await followed.begun;
  const { db } = broker.database;
  const event = { kind: 'node.status', at: new Date(0), data: { status: 'offline', reason: 'a\nb\u001b[2J' } };
  await db.transaction().execute((trx) => appendToJournal(trx, [event]));
  await vi.waitFor(() => expect(followed.lines()).toHaveLength(1), 10_000);
  expect(followed.lines()[0]).toMatch(/^1970-01-01T00:00:00\.000Z {2}node\.status +offline a␊b␛\[2J$/);
});

test('Ctrl-C ends the command with 0', async () => {
  const broker = await testBroker();
  const written = catchOutput();
  vi.stubEnv('GPUBROKER_API_URL', broker.url);
  vi.stubEnv('GPUBROKER_API_KEY', broker.people.admin.key);
  const before = process.listenerCount('SIGINT');
  const running = runCommandLine(['changes']);
  await vi.waitFor(() => expect(process.listenerCount('SIGINT')).toBe(before + 1), 10_000);
  process.emit('SIGINT');
  expect(await running).toBe(0);
  expect([process.listenerCount('SIGINT'), written.stdout]).toEqual([before, '']);
});

test('a first attempt that fails is told', async () => {
  const broker = await testBroker();
  const away = await broker.as('admin', 'changes', '--broker', 'http://127.0.0.1:1');
  expect(away).toMatchObject({ code: 4, stderr: expect.stringContaining('GPUB_BROKER_UNREACHABLE') });
  const wrong = { ...broker.people.admin, key: 'gpb_wrong' };
  expect(await broker.as(wrong, 'changes')).toMatchObject({ code: 1, stderr: expect.stringContaining('Sign in') });
});
