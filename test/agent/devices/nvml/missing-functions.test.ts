// An older driver lacks newer functions: what they would say is absent, or comes from the older ones.
import { expect, test } from 'vitest';
import { createNvmlSource } from '../../../../src/agent/devices/nvml/source.ts';
import type { NvmlFunction } from '../../../fixtures/nvml/fake-driver.ts';
import { openSource, startDriver } from './open-source.ts';

const requiredFunctions: NvmlFunction[] = [
  'nvmlInit_v2',
  'nvmlShutdown',
  'nvmlDeviceGetCount_v2',
  'nvmlDeviceGetHandleByIndex_v2',
  'nvmlDeviceGetUUID',
];

test('a library without the newer functions still yields the rest of the record', () => {
  const { source } = openSource({
    missing: ['nvmlDeviceGetArchitecture', 'nvmlDeviceGetMigMode', 'nvmlDeviceGetNvLinkState'],
  });
  const record = source.read(0);
  expect(record).not.toHaveProperty('architecture');
  expect(record).not.toHaveProperty('mig');
  expect(record).not.toHaveProperty('nvlinks');
  expect(record).toMatchObject({ model: 'NVIDIA H100 80GB HBM3', ecc: { enabled: true } });
});

test('without the newer memory call there is no reserved memory', () => {
  const { source } = openSource({ missing: ['nvmlDeviceGetMemoryInfo_v2'] });
  expect(source.read(0).memory).toEqual({ totalBytes: 85_899_345_920 });
  expect(source.sample(0).memoryUsedBytes).toBe(0);
});

test('the temperature comes from whichever call the library has', () => {
  const { source } = openSource({ missing: ['nvmlDeviceGetTemperature'] });
  expect(source.check(0).health?.temperatureCelsius).toBe(34);
});

test('the CUDA version comes from whichever call the library has', () => {
  const { source } = openSource({ missing: ['nvmlSystemGetCudaDriverVersion_v2'] });
  expect(source.read(0).cudaVersion).toBe('12.4');
});

test('events come through whichever call the library has', () => {
  const { driver, source } = openSource({ missing: ['nvmlEventSetWait_v2'] });
  source.check(0);
  driver.emit({ gpu: driver.gpu(0).uuid, type: 0x8, data: 79 });
  expect(source.events(0)).toHaveLength(1);
});

test('the reasons of low clocks come from whichever call the library has', () => {
  const { driver, source } = openSource({ missing: ['nvmlDeviceGetCurrentClocksEventReasons'] });
  driver.update(() => Object.assign(driver.gpu(0), { throttleReasons: 0x4 }));
  expect(source.check(0).health?.throttleReasons).toEqual(['power-cap']);
});

test('the older call for events says nothing of MIG instances', () => {
  const { driver, source } = openSource({ missing: ['nvmlEventSetWait_v2'] });
  source.check(0);
  const gpu = driver.gpu(0).uuid;
  driver.emit({ gpu, type: 0x8, data: 79, gpuInstance: 3, computeInstance: 0 });
  expect(source.events(0)).toEqual([{ uuid: gpu, kind: 'xid', data: 79 }]);
});

test('a library without any of the calls for health still has the temperature', () => {
  const { source } = openSource({
    missing: [
      'nvmlDeviceGetFieldValues',
      'nvmlDeviceGetTotalEccErrors',
      'nvmlDeviceGetRetiredPages',
      'nvmlDeviceGetRetiredPagesPendingStatus',
      'nvmlDeviceGetRemappedRows',
      'nvmlDeviceGetCurrentClocksEventReasons',
      'nvmlDeviceGetCurrentClocksThrottleReasons',
      'nvmlDeviceGetPcieReplayCounter',
    ],
  });
  expect(source.check(0).health).toEqual({ temperatureCelsius: 34 });
});

test('a library without events has none', () => {
  const { driver, source } = openSource({ missing: ['nvmlEventSetCreate'] });
  source.check(0);
  driver.emit({ gpu: driver.gpu(0).uuid, type: 0x8, data: 79 });
  expect(source.events(0)).toEqual([]);
});

test.each(requiredFunctions)('a library without %s is refused', (name) => {
  const driver = startDriver({ missing: [name] });
  const source = createNvmlSource({ library: driver.libraryPath });
  expect(() => source.open()).toThrow(
    expect.objectContaining({ fault: 'driver-gone', message: expect.stringContaining(`it lacks ${name}`) }),
  );
});
