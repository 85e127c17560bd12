// A driver that goes away says so on every call, and the source opens again when it is back.
import { expect, test } from 'vitest';
import { createNvmlSource } from '../../../../src/agent/devices/nvml/source.ts';
import { openSource, startDriver } from './open-source.ts';

const gone = expect.objectContaining({ fault: 'driver-gone' });

test('without a driver nothing can be read, and closing still works', () => {
  const { driver, source } = openSource();
  driver.unload();
  for (const call of ['check', 'read', 'sample'] as const) expect(() => source[call](0)).toThrow(gone);
  expect(() => source.count()).toThrow(gone);
  expect(() => source.events(0)).toThrow(gone);
  source.close();
});

test('the source opens again after the driver is back', () => {
  const { driver, source } = openSource();
  driver.unload();
  expect(() => source.open()).toThrow(
    expect.objectContaining({ fault: 'driver-gone', message: 'nvmlInit_v2 returned 9 (DRIVER_NOT_LOADED)' }),
  );
  driver.update((state) => {
    state.driverVersion = '580.65.06';
  });
  source.open();
  expect(source.read(0).driverVersion).toBe('580.65.06');
  source.check(0);
  driver.emit({ gpu: driver.gpu(0).uuid, type: 0x8, data: 79 });
  expect(source.events(0)).toHaveLength(1);
});

test('a source that is not open is without a driver', () => {
  const driver = startDriver();
  const source = createNvmlSource({ library: driver.libraryPath });
  expect(() => source.count()).toThrow(expect.objectContaining({ fault: 'driver-gone', message: 'NVML is not open' }));
  source.open();
  source.close();
  source.close();
  expect(() => source.check(0)).toThrow(gone);
});

test('a driver that fails while it is closed is let go of', () => {
  const { driver, source } = openSource();
  driver.update((state) => {
    state.errors = { nvmlEventSetFree: { '*': 999 }, nvmlShutdown: { '*': 999 } };
  });
  expect(() => source.close()).not.toThrow();
});
