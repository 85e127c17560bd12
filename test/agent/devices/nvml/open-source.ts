// Opens the NVML source on a fake driver, in this process, for the length of one test.
import { onTestFinished } from 'vitest';
import { createNvmlSource } from '../../../../src/agent/devices/nvml/source.ts';
import type { DeviceSource } from '../../../../src/agent/devices/source.ts';
import { createFakeDriver, type FakeDriver, type FakeDriverOptions } from '../../../fixtures/nvml/fake-driver.ts';

/** A fake driver whose state this process's NVML reads. */
export function startDriver(options?: FakeDriverOptions): FakeDriver {
  const driver = createFakeDriver(options);
  Object.assign(process.env, driver.env);
  onTestFinished(() => driver.remove());
  return driver;
}

/** A driver and an open source that reads it. */
export function openSource(options?: FakeDriverOptions): { driver: FakeDriver; source: DeviceSource } {
  const driver = startDriver(options);
  const source = createNvmlSource({ library: driver.libraryPath });
  source.open();
  onTestFinished(() => source.close());
  return { driver, source };
}
