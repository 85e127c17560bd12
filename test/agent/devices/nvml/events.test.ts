// What the driver reports reaches the next call for events, once, in order, and without waiting.
import { expect, test } from 'vitest';
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
  expect(source.events()).toEqual([{ uuid: driver.gpu(0).uuid, kind, data: 79 }]);
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
  expect(source.events().map(({ uuid, data }) => [uuid, data])).toEqual([
    [driver.gpu(1).uuid, 13],
    [driver.gpu(0).uuid, 48],
    [driver.gpu(1).uuid, 999],
  ]);
  expect(source.events()).toEqual([]);
});

test('a quiet driver is not waited for', () => {
  const { source } = openSource();
  source.check(0);
  const start = performance.now();
  expect(source.events()).toEqual([]);
  expect(performance.now() - start).toBeLessThan(50);
});

test('an event that names no GPU carries no UUID', () => {
  const { driver, source } = openSource();
  source.check(0);
  driver.emit({ gpu: null, type: 0x8, data: 79 });
  expect(source.events()).toEqual([{ kind: 'xid', data: 79 }]);
});

test('a GPU that supports few events is listened to for those', () => {
  const { driver, source } = openSource();
  driver.update(() => Object.assign(driver.gpu(0), { supportedEvents: 0x8 }));
  source.check(0);
  const gpu = driver.gpu(0).uuid;
  driver.emit({ gpu, type: 0x1, data: 0 });
  driver.emit({ gpu, type: 0x8, data: 31 });
  expect(source.events().map(({ kind }) => kind)).toEqual(['xid']);
});

test('a GPU whose registration fails hides no other, and is tried again', () => {
  const { driver, source } = openSource({ gpus: 2 });
  driver.update((state) => {
    state.errors = { nvmlDeviceRegisterEvents: { 0: 999 } };
  });
  source.check(0);
  source.check(1);
  driver.emit({ gpu: driver.gpu(1).uuid, type: 0x8, data: 79 });
  expect(source.events()).toHaveLength(1);
  driver.update((state) => {
    state.errors = {};
  });
  source.check(0);
  driver.emit({ gpu: driver.gpu(0).uuid, type: 0x8, data: 94 });
  expect(source.events()).toEqual([{ uuid: driver.gpu(0).uuid, kind: 'xid', data: 94 }]);
});

test('a storm is handed out in parts', () => {
  const { driver, source } = openSource();
  source.check(0);
  const gpu = driver.gpu(0).uuid;
  driver.update((state) => {
    state.events = Array.from({ length: 1500 }, (_, place) => ({ sequence: place + 1, gpu, type: 0x1, data: place }));
  });
  expect(source.events()).toHaveLength(1000);
  expect(source.events()).toHaveLength(500);
});

test('what happened before the source was opened is not reported', () => {
  const { driver, source } = openSource();
  driver.emit({ gpu: driver.gpu(0).uuid, type: 0x8, data: 79 });
  source.open();
  source.check(0);
  expect(source.events()).toEqual([]);
});

test.each([15, 16])('a wait that meets %i leaves it to the checks to say which GPU', (code) => {
  const { driver, source } = openSource();
  driver.update((state) => {
    state.errors = { nvmlEventSetWait_v2: { '*': code } };
  });
  expect(source.events()).toEqual([]);
});

test('a wait that fails otherwise is a failure', () => {
  const { driver, source } = openSource();
  driver.update((state) => {
    state.errors = { nvmlEventSetWait_v2: { '*': 999 } };
  });
  expect(() => source.events()).toThrow(expect.objectContaining({ fault: 'failed' }));
});
