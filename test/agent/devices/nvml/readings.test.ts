// A sample holds the moving values as they are at that moment.
import { expect, test } from 'vitest';
import { openSource } from './open-source.ts';

test('a busy GPU is sampled', () => {
  const { driver, source } = openSource();
  driver.update(({ gpus: [gpu] }) => {
    if (gpu === undefined) return;
    gpu.utilization = { gpu: 97, memory: 41, encoder: 12, decoder: 7 };
    gpu.memory = { total: 85_899_345_920, reserved: 1_073_741_824, used: 70_000_000_000 };
    gpu.fan = 55;
    gpu.energy = 2 ** 40;
    gpu.pcieTraffic = { tx: 21_000_000, rx: 3 };
    gpu.power.usage = 688_000;
    Object.assign(gpu.clocks, { graphics: 1755, sm: 1740, memory: 1593 });
    gpu.processes.compute = [{ pid: 4321, usedMemory: 69_000_000_000 }];
    gpu.processes.graphics = [{ pid: 99, usedMemory: 12_000_000 }];
  });
  const before = Date.now();
  const { timeMs, ...readings } = source.sample(0);
  expect(timeMs).toBeGreaterThanOrEqual(before);
  expect(timeMs).toBeLessThanOrEqual(Date.now());
  expect(readings).toEqual({
    utilizationPercent: 97,
    memoryUtilizationPercent: 41,
    memoryUsedBytes: 70_000_000_000,
    powerMilliwatts: 688_000,
    graphicsMhz: 1755,
    smMhz: 1740,
    memoryMhz: 1593,
    fanPercent: 55,
    encoderPercent: 12,
    decoderPercent: 7,
    energyMillijoules: 2 ** 40,
    pcieTxBytesPerSecond: 21_000_000_000,
    pcieRxBytesPerSecond: 3_000,
    nvlinkTxBytes: 2048 * 1024,
    nvlinkRxBytes: 4096 * 1024,
    processes: [
      { pid: 4321, kind: 'compute', usedMemoryBytes: 69_000_000_000 },
      { pid: 99, kind: 'graphics', usedMemoryBytes: 12_000_000 },
    ],
  });
});

test('zero is a reading', () => {
  const { source } = openSource();
  expect(source.sample(0)).toMatchObject({ utilizationPercent: 0, memoryUsedBytes: 0, processes: [] });
});
