// A value that NVML marks as not available is absent: never zero, never the mark.
import { expect, test } from 'vitest';
import type { FakeGpu } from '../../../fixtures/nvml/fake-driver.ts';
import { openSource } from './open-source.ts';

const allOnes = 0xffffffff;

function withGpu(change: (gpu: FakeGpu) => void) {
  const { driver, source } = openSource();
  driver.update(() => change(driver.gpu(0)));
  return source;
}

test.each(['', 'N/A', '[N/A]', '[Not Supported]', '[Unknown Error]'])('the string %j is absent', (text) => {
  const source = withGpu((gpu) => Object.assign(gpu, { serial: text, boardPartNumber: text, vbiosVersion: text }));
  const record = source.read(0);
  for (const key of ['serial', 'boardPartNumber', 'vbiosVersion']) expect(record).not.toHaveProperty(key);
});

test('32 bits of ones are absent', () => {
  const source = withGpu((gpu) => {
    Object.assign(gpu, {
      temperature: allOnes,
      architecture: allOnes,
      utilization: { gpu: allOnes, memory: 3, encoder: 0, decoder: 0 },
    });
    gpu.power.enforcedLimit = allOnes;
    gpu.clocks.maxSm = allOnes;
  });
  const record = source.read(0);
  expect(record).not.toHaveProperty('architecture');
  expect(record.powerLimits).toEqual({ defaultMilliwatts: 700_000, minMilliwatts: 200_000, maxMilliwatts: 700_000 });
  expect(record.clocks).toEqual({ maxGraphicsMhz: 1980, maxMemoryMhz: 1593 });
  const readings = source.sample(0);
  expect(source.check(0).health).not.toHaveProperty('temperatureCelsius');
  expect(readings).not.toHaveProperty('utilizationPercent');
  expect(readings).toMatchObject({ memoryUtilizationPercent: 3 });
});

test('64 bits of ones are absent', () => {
  const source = withGpu((gpu) => {
    gpu.processes.compute = [{ pid: 7, usedMemory: null }];
  });
  expect(source.sample(0).processes).toEqual([{ pid: 7, kind: 'compute' }]);
});

test('an architecture without a known name is absent', () => {
  expect(withGpu((gpu) => Object.assign(gpu, { architecture: 200 })).read(0)).not.toHaveProperty('architecture');
});

test('a group of which nothing is known is absent', () => {
  const source = withGpu((gpu) => {
    Object.assign(gpu, { memory: null, pci: null, ecc: null, mig: null, nvlinks: null, computeCapability: null });
    gpu.clocks = { graphics: null, sm: null, memory: null, maxGraphics: null, maxSm: null, maxMemory: null };
    gpu.power = { usage: null, enforcedLimit: null, defaultLimit: null, minLimit: null, maxLimit: null };
    gpu.processes = { compute: null, graphics: null };
  });
  const record = source.read(0);
  for (const key of ['memory', 'pci', 'ecc', 'mig', 'nvlinks', 'clocks', 'powerLimits', 'computeCapability']) {
    expect(record).not.toHaveProperty(key);
  }
  expect(source.sample(0)).not.toHaveProperty('processes');
});
