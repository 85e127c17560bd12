// The NVML source on the machine's own driver, where there is one.
import { expect } from 'vitest';
import { createNvmlSource } from '../../../../src/agent/devices/nvml/source.ts';
import { testWith } from '../../../capabilities.ts';

testWith('nvidia-gpu')('reads every GPU of this machine', () => {
  const source = createNvmlSource({ library: 'libnvidia-ml.so.1' });
  source.open();
  const count = source.count();
  expect(count).toBeGreaterThan(0);
  for (let index = 0; index < count; index += 1) {
    const { uuid, health } = source.check(index);
    const record = source.read(index);
    expect(record.uuid).toBe(uuid);
    expect(record.memory?.totalBytes).toBeGreaterThan(1024 ** 3);
    expect(record.driverVersion).toMatch(/^\d+\.\d+/);
    expect(record.pci?.busId).toMatch(/^[0-9A-Fa-f]+:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.[0-7]$/);
    expect(health?.temperatureCelsius).toBeGreaterThan(0);
    expect(health?.throttleReasons).toBeDefined();
    expect(source.sample(index).powerMilliwatts).toBeGreaterThan(0);
  }
  expect(source.events(0)).toEqual([]);
  const start = performance.now();
  source.events(200);
  expect(performance.now() - start).toBeGreaterThan(190);
  source.close();
});
