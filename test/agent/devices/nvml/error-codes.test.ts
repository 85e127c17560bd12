// Every return code means one thing: absent, a fault of the device, a fault of the driver, or a failure that may pass.
import { expect, test } from 'vitest';
import type { DeviceFault } from '../../../../src/agent/devices/source.ts';
import { openSource } from './open-source.ts';

const faults: [code: number, name: string, fault: DeviceFault][] = [
  [1, 'UNINITIALIZED', 'driver-gone'],
  [9, 'DRIVER_NOT_LOADED', 'driver-gone'],
  [12, 'LIBRARY_NOT_FOUND', 'driver-gone'],
  [18, 'LIB_RM_VERSION_MISMATCH', 'driver-gone'],
  [15, 'GPU_IS_LOST', 'lost'],
  [16, 'RESET_REQUIRED', 'reset-required'],
  [4, 'NO_PERMISSION', 'failed'],
  [6, 'NOT_FOUND', 'failed'],
  [10, 'TIMEOUT', 'failed'],
  [999, 'UNKNOWN', 'failed'],
  [777, 'not documented', 'failed'],
];

test.each(faults)('a check that meets %i (%s) throws %s', (code, name, fault) => {
  const { driver, source } = openSource();
  driver.update((state) => {
    state.errors = { nvmlDeviceGetTemperature: { 0: code } };
  });
  const message = `nvmlDeviceGetTemperature returned ${code} (${name})`;
  expect(() => source.check(0)).toThrow(expect.objectContaining({ name: 'DeviceError', fault, message }));
});

test.each(faults.filter(([, , fault]) => fault !== 'failed'))('a record is not read past %i (%s)', (code, _, fault) => {
  const { driver, source } = openSource();
  driver.update((state) => {
    state.errors = { nvmlDeviceGetVbiosVersion: { 0: code } };
  });
  expect(() => source.read(0)).toThrow(expect.objectContaining({ fault }));
});

test.each([3, 13])('a value whose call answers %i is absent', (code) => {
  const { driver, source } = openSource();
  driver.update((state) => {
    state.errors = { nvmlDeviceGetVbiosVersion: { 0: code }, nvmlDeviceGetTemperature: { 0: code } };
  });
  expect(source.check(0).uuid).toBe(driver.gpu(0).uuid);
  expect(source.read(0)).not.toHaveProperty('vbiosVersion');
  expect(source.check(0).health).not.toHaveProperty('temperatureCelsius');
});

test('one failing value takes no other with it', () => {
  const { driver, source } = openSource();
  driver.update((state) => {
    state.errors = {
      nvmlDeviceGetVbiosVersion: { 0: 999 },
      nvmlDeviceGetMaxPcieLinkWidth: { 0: 999 },
      nvmlDeviceGetPowerUsage: { 0: 999 },
    };
  });
  const record = source.read(0);
  expect(record).not.toHaveProperty('vbiosVersion');
  expect(record.pci).not.toHaveProperty('maxLinkWidth');
  expect(record).toMatchObject({ serial: '1562821083900', pci: { linkWidth: 16 } });
  const readings = source.sample(0);
  expect(readings).not.toHaveProperty('powerMilliwatts');
  expect(readings).toMatchObject({ graphicsMhz: 345 });
});

test('a GPU without a UUID is a failure, not a nameless record', () => {
  const { driver, source } = openSource();
  driver.update((state) => {
    state.errors = { nvmlDeviceGetUUID: { '*': 3 } };
  });
  expect(() => source.read(0)).toThrow(expect.objectContaining({ fault: 'failed' }));
});

test('a machine without libcuda gets the CUDA version from NVML itself', () => {
  const { driver, source } = openSource();
  driver.update((state) => {
    state.errors = { nvmlSystemGetCudaDriverVersion_v2: { '*': 12 } };
  });
  expect(source.read(0).cudaVersion).toBe('12.4');
});
