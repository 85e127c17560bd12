// AMD's cards as sysfs shows them, through the real probe process: the whole record and all readings.
import { expect, test } from 'vitest';
import { addKfdProcess, addMi300x, addRadeon } from '../../../fixtures/host/amd-cards.ts';
import { watchReadAmd } from './watch-amd.ts';

test('a MI300X', async () => {
  const { device, states } = await watchReadAmd((tree) => {
    addMi300x(tree, '0000:85:00.0');
    addKfdProcess(tree, 4711, '0000:85:00.0', 8 * 2 ** 30);
    addKfdProcess(tree, 4712, '0000:85:00.0', 0);
  });
  expect(states()).toEqual(['ok']);
  expect(device(0)).toMatchObject({ condition: 'AMDReady', source: 'amd', uuid: 'GPU-a1b2c3d4e5f60718' });
  expect(device(0).record).toEqual({
    index: 0,
    uuid: 'GPU-a1b2c3d4e5f60718',
    vendor: 'amd',
    serial: '692234000123',
    model: 'AMD Instinct MI300X OAM',
    architecture: 'cdna3',
    boardPartNumber: '102-G30211-0C',
    vbiosVersion: '113-M3000100-102',
    driverVersion: '6.10.5',
    multiprocessors: 304,
    numaNode: 1,
    computePartition: 'spx',
    pci: {
      busId: '00000000:85:00.0',
      deviceId: 0x74a11002,
      subsystemId: 0x74a11002,
      linkGeneration: 5,
      maxLinkGeneration: 5,
      linkWidth: 16,
      maxLinkWidth: 16,
    },
    memory: { totalBytes: 196_592 * 2 ** 20 },
    clocks: { maxGraphicsMhz: 2100, maxMemoryMhz: 1300 },
    powerLimits: { enforcedMilliwatts: 750_000, maxMilliwatts: 750_000 },
    ecc: { enabled: true, pending: true },
    witnesses: { pci: { deviceId: 0x74a11002, subsystemId: 0x74a11002 } },
  });
  expect(device(0).readings).toEqual({
    timeMs: expect.any(Number),
    utilizationPercent: 37,
    memoryUtilizationPercent: 12,
    memoryUsedBytes: 297_795_584,
    temperatureCelsius: 41,
    memoryTemperatureCelsius: 37,
    powerMilliwatts: 141_000,
    graphicsMhz: 132,
    smMhz: 132,
    memoryMhz: 900,
    pcieReplays: 3,
    eccErrors: { volatileCorrected: 42, volatileUncorrected: 0 },
    retiredPages: { doubleBit: 0, pending: false },
    processes: [{ pid: 4711, kind: 'compute', usedMemoryBytes: 8 * 2 ** 30 }],
  });
});

test('a MI300X with errors in its memory', async () => {
  const { device } = await watchReadAmd((tree) =>
    addMi300x(tree, '0000:85:00.0', {
      'ras/umc_err_count': 'ue: 1\nce: 42',
      'ras/gpu_vram_bad_pages': [
        '0x00000001 : 0x00001000 : R',
        '0x00000002 : 0x00001000 : P',
        '0x00000003 : 0x00001000 : R',
      ].join('\n'),
    }),
  );
  expect(device(0).readings).toMatchObject({
    eccErrors: { volatileCorrected: 42, volatileUncorrected: 1 },
    retiredPages: { doubleBit: 2, pending: true },
  });
});

test('a MI300X in eight compute partitions is one device', async () => {
  const { device } = await watchReadAmd((tree) =>
    addMi300x(tree, '0000:85:00.0', { current_compute_partition: 'CPX' }, 8),
  );
  expect(device(0).record).toMatchObject({ multiprocessors: 304, computePartition: 'cpx' });
});

test('a Radeon', async () => {
  const { device } = await watchReadAmd((tree) => addRadeon(tree, '0000:03:00.0'));
  expect(device(0).record).toEqual({
    index: 0,
    uuid: 'GPU-73b1e0c8a5d94f22',
    vendor: 'amd',
    model: 'AMD Radeon RX 7900 XT / 7900 XTX',
    vbiosVersion: '113-D7020100-102',
    pci: {
      busId: '00000000:03:00.0',
      deviceId: 0x744c1002,
      subsystemId: 0x471e1da2,
      linkGeneration: 5,
      maxLinkGeneration: 5,
      linkWidth: 16,
      maxLinkWidth: 16,
    },
    memory: { totalBytes: 24_560 * 2 ** 20 },
    clocks: { maxGraphicsMhz: 2526, maxMemoryMhz: 1249 },
    powerLimits: {
      enforcedMilliwatts: 303_000,
      defaultMilliwatts: 303_000,
      minMilliwatts: 212_000,
      maxMilliwatts: 339_000,
    },
    witnesses: { pci: { deviceId: 0x744c1002, subsystemId: 0x471e1da2 } },
  });
  expect(device(0).readings).toEqual({
    timeMs: expect.any(Number),
    utilizationPercent: 3,
    memoryUtilizationPercent: 0,
    memoryUsedBytes: 1_500_000_000,
    temperatureCelsius: 48,
    memoryTemperatureCelsius: 60,
    powerMilliwatts: 21_000,
    graphicsMhz: 500,
    smMhz: 500,
    memoryMhz: 96,
    fanPercent: 20,
  });
});
