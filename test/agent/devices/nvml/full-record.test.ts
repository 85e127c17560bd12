// The device record of an H100 holds everything that its driver says.
import { expect, test } from 'vitest';
import { openSource } from './open-source.ts';

test('an H100 is read in full', () => {
  const { source } = openSource();
  const { nvlinks, ...record } = source.read(0);
  expect(record).toEqual({
    index: 0,
    uuid: 'GPU-4F1C0DE0-ab12-CD34-9e56-000000000000',
    vendor: 'nvidia',
    serial: '1562821083900',
    model: 'NVIDIA H100 80GB HBM3',
    architecture: 'hopper',
    boardPartNumber: '699-21010-0200-000',
    vbiosVersion: '96.00.74.00.09',
    driverVersion: '550.163.01',
    cudaVersion: '12.4',
    computeCapability: '9.0',
    numaNode: 0,
    pci: {
      busId: '00000000:1A:00.0',
      deviceId: 0x233010de,
      subsystemId: 0x165810de,
      linkGeneration: 5,
      maxLinkGeneration: 5,
      linkWidth: 16,
      maxLinkWidth: 16,
    },
    memory: { totalBytes: 85_899_345_920, reservedBytes: 1_073_741_824 },
    clocks: { maxGraphicsMhz: 1980, maxSmMhz: 1980, maxMemoryMhz: 1593 },
    powerLimits: {
      enforcedMilliwatts: 700_000,
      defaultMilliwatts: 700_000,
      minMilliwatts: 200_000,
      maxMilliwatts: 700_000,
    },
    temperatureLimits: { slowdownCelsius: 89, shutdownCelsius: 92, memoryMaxCelsius: 95 },
    ecc: { enabled: true, pending: true },
    mig: { enabled: false, pending: false, instanceUuids: [] },
  });
  expect(nvlinks).toHaveLength(18);
});

test('every GPU of the machine has its own identity and place', () => {
  const { source } = openSource({ gpus: 8 });
  const records = Array.from({ length: source.count() }, (_, index) => source.read(index));
  expect(records.map((record) => record.index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  expect(new Set(records.map((record) => record.uuid)).size).toBe(8);
  expect(new Set(records.map((record) => record.serial)).size).toBe(8);
  expect(new Set(records.map((record) => record.pci?.busId)).size).toBe(8);
  expect(records.map((record) => record.numaNode)).toEqual([0, 0, 0, 0, 1, 1, 1, 1]);
});

test('a record survives JSON', () => {
  const { source } = openSource();
  const record = source.read(0);
  expect(JSON.parse(JSON.stringify(record))).toEqual(record);
});

test('a UUID keeps the spelling of the driver', () => {
  const { driver, source } = openSource();
  expect(source.read(0).uuid).toBe(driver.gpu(0).uuid);
  expect(source.check(0).uuid).toBe(driver.gpu(0).uuid);
});

test('the source says what it is', () => {
  const { source } = openSource();
  expect(source).toMatchObject({ name: 'nvml', condition: 'NVMLReady' });
});
