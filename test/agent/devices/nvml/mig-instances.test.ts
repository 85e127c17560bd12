// A GPU in MIG mode names its instances, which are parts of it with records, readings and counts of their own.
import { expect, test } from 'vitest';
import { divide, type FakeGpu } from '../../../fixtures/nvml/fake-driver.ts';
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

/** An H100 that is divided into three. */
function openDivided() {
  const { driver, source } = openSource();
  driver.update(() => divide(driver.gpu(0), 3));
  const instances = (driver.gpu(0).mig?.instances ?? []).flatMap((instance) => instance ?? []);
  const [uuid = ''] = instances.map((instance) => instance.uuid);
  return { driver, source, instances, uuid };
}

test('a look at a GPU is a look at its instances', () => {
  const { source, instances } = openDivided();
  const { parts } = source.check(0);
  expect(parts?.complete).toBe(true);
  expect(parts?.seen.map(({ uuid }) => uuid)).toEqual(instances.map(({ uuid }) => uuid));
  expect(parts?.seen[0]?.health).toEqual({
    eccErrors: { volatileCorrected: 0, volatileUncorrected: 0, aggregateCorrected: 0, aggregateUncorrected: 0 },
  });
});

test('a GPU without instances has no parts', () => {
  const { driver, source } = openSource();
  expect(source.check(0)).not.toHaveProperty('parts');
  driver.update(() => divide(driver.gpu(0), 0));
  expect(source.check(0)).not.toHaveProperty('parts');
});

test('an instance is read in full', () => {
  const { driver, source, uuid } = openDivided();
  expect(source.read(0, uuid)).toEqual({
    index: 0,
    uuid,
    vendor: 'nvidia',
    parent: driver.gpu(0).uuid,
    migInstance: { gpuInstance: 7, computeInstance: 0, profile: '1g.10gb' },
    model: 'NVIDIA H100 80GB HBM3 MIG 1g.10gb',
    architecture: 'hopper',
    driverVersion: '550.163.01',
    cudaVersion: '12.4',
    computeCapability: '9.0',
    multiprocessors: 16,
    numaNode: 0,
    pci: source.read(0).pci,
    memory: { totalBytes: 10_468_982_784, reservedBytes: 0 },
    ecc: { enabled: true, pending: true },
  });
});

test('an instance of which the driver says little is read as far as it goes', () => {
  const { driver, source } = openSource();
  driver.update(() => partition(driver.gpu(0), [first]));
  const record = source.read(0, first.uuid);
  expect(record).toMatchObject({ uuid: first.uuid, parent: driver.gpu(0).uuid });
  for (const key of ['migInstance', 'model', 'memory', 'multiprocessors']) expect(record).not.toHaveProperty(key);
});

test('an instance has memory and processes of its own, and nothing of what only the GPU has', () => {
  const { driver, source, instances, uuid } = openDivided();
  driver.update(() => Object.assign(instances[0]?.processes ?? {}, { compute: [{ pid: 9, usedMemory: 5 }] }));
  const { timeMs: _, ...readings } = source.sample(0, uuid);
  expect(readings).toEqual({
    memoryUsedBytes: 12_582_912,
    processes: [{ pid: 9, kind: 'compute', usedMemoryBytes: 5 }],
  });
});

test('an instance that the GPU does not have is a failure', () => {
  const { source } = openDivided();
  for (const call of ['read', 'sample'] as const) {
    expect(() => source[call](0, 'MIG-nobody')).toThrow(
      expect.objectContaining({ fault: 'failed', message: 'the device has no MIG instance MIG-nobody' }),
    );
  }
});

test('an instance that was made anew in another size has another fingerprint', () => {
  const { driver, source, instances } = openDivided();
  const before = source.check(0).parts?.seen[0]?.fingerprint;
  driver.update(() => Object.assign(instances[0] ?? {}, { slices: 2, multiprocessors: 32 }));
  expect(source.check(0).parts?.seen[0]?.fingerprint).not.toBe(before);
});

test.each(['nvmlDeviceGetMigMode', 'nvmlDeviceGetMaxMigDeviceCount', 'nvmlDeviceGetMigDeviceHandleByIndex'] as const)(
  'a failing %s leaves open which instances there are',
  (name) => {
    const { driver, source } = openDivided();
    driver.update((state) => {
      state.errors = { [name]: { 0: 999 } };
    });
    expect(source.check(0).parts).toEqual({ complete: false, seen: [] });
  },
);

test('an instance whose uuid fails leaves the list incomplete, and is no fault of its GPU', () => {
  const { driver, source, instances } = openDivided();
  driver.update(() => Object.assign(instances[1] ?? {}, { uuid: '' }));
  const { parts } = source.check(0);
  expect(parts).toMatchObject({ complete: false });
  expect(parts?.seen).toHaveLength(2);
});

test.each([15, 16])('a GPU that answers %i to a question about MIG has that fault itself', (code) => {
  const { driver, source } = openDivided();
  driver.update((state) => {
    state.errors = { nvmlDeviceGetMigMode: { 0: code } };
  });
  expect(() => source.check(0)).toThrow(expect.objectContaining({ fault: code === 15 ? 'lost' : 'reset-required' }));
});

test('a driver without MIG shows no instances', () => {
  const { driver, source } = openSource({ missing: ['nvmlDeviceGetMigMode'] });
  driver.update(() => divide(driver.gpu(0), 3));
  expect(source.check(0)).not.toHaveProperty('parts');
});
