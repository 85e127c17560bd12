// A GPU that is lost, gone or new changes nothing for the others.
import { expect, test } from 'vitest';
import { h100 } from '../../../fixtures/nvml/fake-driver.ts';
import { openSource } from './open-source.ts';

test('a lost GPU still counts, says that it is lost, and hides no other', () => {
  const { driver, source } = openSource({ gpus: 3 });
  for (let index = 0; index < 3; index++) source.check(index);
  driver.update(() => Object.assign(driver.gpu(1), { lost: true }));
  expect(source.count()).toBe(3);
  for (const call of ['check', 'read', 'sample'] as const) {
    expect(() => source[call](1)).toThrow(
      expect.objectContaining({ fault: 'lost', message: 'nvmlDeviceGetHandleByIndex_v2 returned 15 (GPU_IS_LOST)' }),
    );
  }
  for (const index of [0, 2]) {
    expect(source.check(index).uuid).toBe(driver.gpu(index).uuid);
    expect(source.read(index).uuid).toBe(driver.gpu(index).uuid);
    expect(source.sample(index)).toMatchObject({ powerMilliwatts: 95_000 });
  }
  driver.emit({ gpu: driver.gpu(2).uuid, type: 0x8, data: 79 });
  expect(source.events(0)).toHaveLength(1);
});

test('a GPU that comes back is read again', () => {
  const { driver, source } = openSource();
  driver.update(() => Object.assign(driver.gpu(0), { lost: true }));
  expect(() => source.check(0)).toThrow();
  driver.update(() => Object.assign(driver.gpu(0), { lost: false }));
  expect(source.check(0).uuid).toBe(driver.gpu(0).uuid);
});

test('a removed GPU moves the indices of those behind it', () => {
  const { driver, source } = openSource({ gpus: 3 });
  driver.update((state) => state.gpus.splice(0, 1));
  expect(source.count()).toBe(2);
  expect([0, 1].map((index) => source.check(index).uuid)).toEqual([h100(1).uuid, h100(2).uuid]);
  expect(() => source.check(2)).toThrow(expect.objectContaining({ fault: 'failed' }));
});

test('an added GPU is found', () => {
  const { driver, source } = openSource({ gpus: 1 });
  driver.update((state) => state.gpus.push(h100(1)));
  expect(source.count()).toBe(2);
  expect(source.read(1).uuid).toBe(h100(1).uuid);
});
