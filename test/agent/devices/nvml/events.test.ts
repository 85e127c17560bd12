// What the driver reports reaches the next call for events, once, in order, and the call that waits for it at once.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import type { FakeDriver } from '../../../fixtures/nvml/fake-driver.ts';
import { openSource } from './open-source.ts';

test.each([
  [0x1, 'single-bit-ecc'],
  [0x2, 'double-bit-ecc'],
  [0x8, 'xid'],
  [0x100, 'mig-changed'],
  [0x4000, 'unavailable'],
  [0x8000, 'recovery-action'],
] as const)('event type %i is %s', (type, kind) => {
  const { driver, source } = openSource();
  source.check(0);
  driver.emit({ gpu: driver.gpu(0).uuid, type, data: 79 });
  expect(source.events(0)).toEqual([{ uuid: driver.gpu(0).uuid, kind, data: 79 }]);
});

test('events come in order and once', () => {
  const { driver, source } = openSource({ gpus: 2 });
  source.check(0);
  source.check(1);
  for (const [place, data] of [
    [1, 13],
    [0, 48],
    [1, 999],
  ] as const) {
    driver.emit({ gpu: driver.gpu(place).uuid, type: 0x8, data });
  }
  expect(source.events(0).map(({ uuid, data }) => [uuid, data])).toEqual([
    [driver.gpu(1).uuid, 13],
    [driver.gpu(0).uuid, 48],
    [driver.gpu(1).uuid, 999],
  ]);
  expect(source.events(0)).toEqual([]);
});

test('no wait means none', () => {
  const { source } = openSource();
  source.check(0);
  const start = performance.now();
  expect(source.events(0)).toEqual([]);
  expect(performance.now() - start).toBeLessThan(50);
});

test('a driver that is waited for returns with the event, not at the end', async () => {
  const { driver, source } = openSource();
  source.check(0);
  const child = emitLater(driver, 200);
  const start = performance.now();
  expect(source.events(5_000)).toMatchObject([{ kind: 'xid', data: 79 }]);
  expect(performance.now() - start).toBeLessThan(2_000);
  expect(await child).toBe(0);
});

test('a wait without events ends in time', () => {
  const { source } = openSource();
  source.check(0);
  const start = performance.now();
  expect(source.events(100)).toEqual([]);
  expect(performance.now() - start).toBeGreaterThanOrEqual(100);
  expect(performance.now() - start).toBeLessThan(1_000);
});

test('an event of a MIG instance names it', () => {
  const { driver, source } = openSource();
  source.check(0);
  const gpu = driver.gpu(0).uuid;
  driver.emit({ gpu, type: 0x8, data: 94, gpuInstance: 0, computeInstance: 0 });
  driver.emit({ gpu, type: 0x8, data: 45, gpuInstance: 7 });
  expect(source.events(0)).toEqual([
    { uuid: gpu, kind: 'xid', data: 94, gpuInstance: 0, computeInstance: 0 },
    { uuid: gpu, kind: 'xid', data: 45, gpuInstance: 7 },
  ]);
});

test('an event that names no GPU carries no UUID', () => {
  const { driver, source } = openSource();
  source.check(0);
  driver.emit({ gpu: null, type: 0x8, data: 79 });
  expect(source.events(0)).toEqual([{ kind: 'xid', data: 79 }]);
});

test('a GPU that supports few events is listened to for those', () => {
  const { driver, source } = openSource();
  driver.update(() => Object.assign(driver.gpu(0), { supportedEvents: 0x8 }));
  source.check(0);
  const gpu = driver.gpu(0).uuid;
  driver.emit({ gpu, type: 0x1, data: 0 });
  driver.emit({ gpu, type: 0x8, data: 31 });
  expect(source.events(0).map(({ kind }) => kind)).toEqual(['xid']);
});

test('a GPU whose registration fails hides no other, and is tried again', () => {
  const { driver, source } = openSource({ gpus: 2 });
  driver.update((state) => {
    state.errors = { nvmlDeviceRegisterEvents: { 0: 999 } };
  });
  source.check(0);
  source.check(1);
  driver.emit({ gpu: driver.gpu(1).uuid, type: 0x8, data: 79 });
  expect(source.events(0)).toHaveLength(1);
  driver.update((state) => {
    state.errors = {};
  });
  source.check(0);
  driver.emit({ gpu: driver.gpu(0).uuid, type: 0x8, data: 94 });
  expect(source.events(0)).toEqual([{ uuid: driver.gpu(0).uuid, kind: 'xid', data: 94 }]);
});

test('a storm is handed out in parts', () => {
  const { driver, source } = openSource();
  source.check(0);
  const gpu = driver.gpu(0).uuid;
  driver.update((state) => {
    state.events = Array.from({ length: 1500 }, (_, place) => ({ sequence: place + 1, gpu, type: 0x1, data: place }));
  });
  expect(source.events(0)).toHaveLength(1000);
  expect(source.events(0)).toHaveLength(500);
});

test('what happened before the source was opened is not reported', () => {
  const { driver, source } = openSource();
  driver.emit({ gpu: driver.gpu(0).uuid, type: 0x8, data: 79 });
  source.open();
  source.check(0);
  expect(source.events(0)).toEqual([]);
});

test.each([15, 16])('a wait that meets %i leaves it to the checks to say which GPU', (code) => {
  const { driver, source } = openSource();
  driver.update((state) => {
    state.errors = { nvmlEventSetWait_v2: { '*': code } };
  });
  expect(source.events(0)).toEqual([]);
});

test('a lost GPU does not keep the events of the others, and is heard of again when it is back', () => {
  const { driver, source } = openSource({ gpus: 2 });
  source.check(0);
  source.check(1);
  driver.update(() => Object.assign(driver.gpu(0), { lost: true }));
  driver.emit({ gpu: driver.gpu(0).uuid, type: 0x8, data: 79 });
  expect(source.events(0).map(({ data }) => data)).toEqual([79]);
  expect(source.events(0)).toEqual([]);
  expect(() => source.check(0)).toThrow();
  source.check(1);
  driver.emit({ gpu: driver.gpu(1).uuid, type: 0x8, data: 48 });
  expect(source.events(0).map(({ data }) => data)).toEqual([48]);
  driver.update(() => Object.assign(driver.gpu(0), { lost: false }));
  source.check(0);
  driver.emit({ gpu: driver.gpu(0).uuid, type: 0x8, data: 31 });
  expect(source.events(0).map(({ data }) => data)).toEqual([31]);
});

test('a wait that fails otherwise is a failure', () => {
  const { driver, source } = openSource();
  driver.update((state) => {
    state.errors = { nvmlEventSetWait_v2: { '*': 999 } };
  });
  expect(() => source.events(0)).toThrow(expect.objectContaining({ fault: 'failed' }));
});

/** The call that waits blocks this process, so another one has the driver report an XID. */
async function emitLater(driver: FakeDriver, delayMs: number): Promise<number | null> {
  const event = { gpu: driver.gpu(0).uuid, type: 0x8, data: 79, sequence: 1 };
  const path = driver.env.FAKE_NVML_STATE;
  const script = `setTimeout(() => {
    require('node:fs').writeFileSync(${JSON.stringify(`${path}.later`)}, ${JSON.stringify(JSON.stringify({ ...driver.state, events: [event] }))});
    require('node:fs').renameSync(${JSON.stringify(`${path}.later`)}, ${JSON.stringify(path)});
  }, ${delayMs})`;
  const [code] = await once(spawn(process.execPath, ['-e', script], { stdio: 'inherit' }), 'exit');
  return code;
}
