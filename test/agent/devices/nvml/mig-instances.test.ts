// A GPU in MIG mode names its instances, and its fingerprint follows them.
import { expect, test } from 'vitest';
import type { FakeGpu } from '../../../fixtures/nvml/fake-driver.ts';
import { openSource } from './open-source.ts';

const first = { uuid: 'MIG-0A1B2C3D-0000-5555-8888-000000000001' };
const second = { uuid: 'MIG-0a1b2c3d-0000-5555-8888-000000000002' };

function partition(gpu: FakeGpu, instances: ({ uuid: string } | null)[]): void {
  gpu.mig = { current: 1, pending: 1, maxInstances: 7, instances };
}

test('the instances are named in their order, holes left out', () => {
  const { driver, source } = openSource();
  driver.update(() => partition(driver.gpu(0), [first, null, second]));
  expect(source.read(0).mig).toEqual({ enabled: true, pending: true, instanceUuids: [first.uuid, second.uuid] });
});

test('a mode that waits for a reset is pending', () => {
  const { driver, source } = openSource();
  driver.update(() => {
    driver.gpu(0).mig = { current: 0, pending: 1, maxInstances: 7, instances: [] };
  });
  expect(source.read(0).mig).toEqual({ enabled: false, pending: true, instanceUuids: [] });
});

test('the fingerprint changes when instances are made or removed', () => {
  const { driver, source } = openSource();
  const seen = [source.check(0).fingerprint];
  for (const instances of [[], [first], [first, second], [second]]) {
    driver.update(() => partition(driver.gpu(0), instances));
    seen.push(source.check(0).fingerprint);
  }
  expect(new Set(seen).size).toBe(seen.length);
});

test('instances change nothing on the other GPUs', () => {
  const { driver, source } = openSource({ gpus: 2 });
  const before = source.check(1);
  driver.update(() => partition(driver.gpu(0), [first]));
  expect(source.check(1)).toEqual(before);
});
