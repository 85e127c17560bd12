// Which compute device is which GPU.
import { expect, test } from 'vitest';
import { ComputeDevices } from '../../../src/agent/measurements/compute-devices.ts';
import { ComputeError, type ComputeInfo } from '../../../src/agent/verification/compute.ts';

const info = (more: Partial<ComputeInfo>): ComputeInfo => ({
  backend: 'opencl',
  name: 'a device',
  driverVersion: '1',
  memoryBytes: 1,
  maxAllocationBytes: 1,
  units: 1,
  maxGroupSize: 1,
  clockMhz: 1,
  isCpu: false,
  ...more,
});

function devicesOf(list: () => readonly ComputeInfo[], given: [string, number][] = []) {
  const clock = { now: 0 };
  const asked = { times: 0 };
  const devices = new ComputeDevices({
    list: async () => {
      asked.times += 1;
      return list();
    },
    given: new Map(given),
    clock: () => clock.now,
  });
  return { devices, clock, asked };
}

test('a GPU is found by its uuid, by its place on the PCI bus, or by the word of an operator', async () => {
  const list = [info({ uuid: 'GPU-A' }), info({ pciBusId: '0000:85:00.0' }), info({ isCpu: true })];
  const { devices } = devicesOf(() => list, [['gpu-c', 2]]);
  expect((await devices.of({ uuid: 'GPU-a' })).device).toBe(0);
  expect((await devices.of({ uuid: 'GPU-B', pci: { busId: '00000000:85:00.0' } })).device).toBe(1);
  expect((await devices.of({ uuid: 'GPU-C' })).device).toBe(2);
  await expect(devices.of({ uuid: 'GPU-D' })).rejects.toMatchObject({
    reason: 'unsupported',
    message: 'no compute library shows this GPU',
  });
});

test('a place that another domain has as well is not the same place', async () => {
  const { devices } = devicesOf(() => [info({ pciBusId: '0001:85:00.0' })]);
  await expect(devices.of({ uuid: 'GPU-B', pci: { busId: '00000000:85:00.0' } })).rejects.toThrow();
});

test('a number beyond the list is said so', async () => {
  const { devices } = devicesOf(() => [info({})], [['gpu-a', 3]]);
  await expect(devices.of({ uuid: 'GPU-A' })).rejects.toThrow('compute-devices gives it device 3; there are 1');
});

test('the list is kept for minutes; for a GPU that is not in it, it is made again sooner, but not at once', async () => {
  let list = [info({ uuid: 'GPU-A' })];
  const { devices, clock, asked } = devicesOf(() => list);
  await devices.of({ uuid: 'GPU-A' });
  clock.now = 60_000;
  await devices.of({ uuid: 'GPU-A' });
  expect(asked.times).toBe(1);
  list = [...list, info({ uuid: 'GPU-B' })];
  expect((await devices.of({ uuid: 'GPU-B' })).device).toBe(1);
  await expect(devices.of({ uuid: 'GPU-C' })).rejects.toThrow();
  expect(asked.times).toBe(2);
});

test('several who ask at once are answered by one list', async () => {
  const { devices, asked } = devicesOf(() => [info({ uuid: 'GPU-A' }), info({ uuid: 'GPU-B' })]);
  await Promise.all([devices.of({ uuid: 'GPU-A' }), devices.of({ uuid: 'GPU-B' })]);
  expect(asked.times).toBe(1);
});

test('where there is no library, that is the reason', async () => {
  const { devices } = devicesOf(() => {
    throw new ComputeError('absent', 'libOpenCL.so.1: cannot open shared object file');
  });
  await expect(devices.of({ uuid: 'GPU-A' })).rejects.toThrow('cannot open shared object file');
});
