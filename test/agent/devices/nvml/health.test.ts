// Every look at a GPU brings what its health follows from; what the driver does not give is absent.
import { expect, test } from 'vitest';
import type { DeviceHealth } from '../../../../src/agent/devices/record.ts';
import type { FakeField, FakeGpu } from '../../../fixtures/nvml/fake-driver.ts';
import { openSource } from './open-source.ts';

/** What a look says of a GPU after a change. */
function healthOf(change: (gpu: FakeGpu) => void, errors: Record<`nvml${string}`, number> = {}): DeviceHealth {
  const { driver, source } = openSource();
  driver.update((state) => {
    change(driver.gpu(0));
    state.errors = Object.fromEntries(Object.entries(errors).map(([name, code]) => [name, { 0: code }]));
  });
  const { health } = source.check(0);
  expect(JSON.parse(JSON.stringify(health))).toEqual(health);
  return health ?? {};
}

const withFields = (fields: Record<string, FakeField>) => (gpu: FakeGpu) => void Object.assign(gpu.fields, fields);

test('a GPU that is well, in full', () => {
  expect(healthOf(() => {})).toEqual({
    temperatureCelsius: 34,
    memoryTemperatureCelsius: 41,
    throttleReasons: ['idle'],
    pcieReplays: 0,
    nvlinkErrors: { crc: 0, replay: 0, recovery: 0 },
    eccErrors: { volatileCorrected: 0, volatileUncorrected: 0, aggregateCorrected: 0, aggregateUncorrected: 0 },
    remappedRows: { correctable: 0, uncorrectable: 0, pending: false, failed: false },
    recoveryAction: 'none',
  });
});

test('a GPU that has seen errors', () => {
  const health = healthOf((gpu) => {
    gpu.eccErrors = {
      volatileCorrected: 12,
      volatileUncorrected: 3,
      aggregateCorrected: 2 ** 33,
      aggregateUncorrected: 4,
    };
    gpu.remappedRows = { correctable: 2, uncorrectable: 1, pending: 1, failed: 1 };
    gpu.retiredPages = { singleBit: 5, doubleBit: 0, pending: 1 };
    gpu.pcieReplays = 17;
  });
  expect(health).toMatchObject({
    eccErrors: { volatileCorrected: 12, volatileUncorrected: 3, aggregateCorrected: 2 ** 33, aggregateUncorrected: 4 },
    remappedRows: { correctable: 2, uncorrectable: 1, pending: true, failed: true },
    retiredPages: { singleBit: 5, doubleBit: 0, pending: true },
    pcieReplays: 17,
  });
});

test('a GPU of which the driver says nothing', () => {
  const nothing = { temperature: null, pcieReplays: null, eccErrors: null, retiredPages: null, fields: {} };
  expect(healthOf((gpu) => Object.assign(gpu, nothing, { remappedRows: null, throttleReasons: null }))).toEqual({});
});

test.each([
  [0, []],
  [0x1, ['idle']],
  [0x2, ['applications-clocks']],
  [0x4, ['power-cap']],
  [0x8, ['hardware-slowdown']],
  [0x10, ['sync-boost']],
  [0x20, ['software-thermal']],
  [0x40, ['hardware-thermal']],
  [0x80, ['power-brake']],
  [0x100, ['display-clocks']],
  [0x48, ['hardware-slowdown', 'hardware-thermal']],
  [0x8000_0204, ['power-cap']],
])('the bits %i are the reasons %j', (bits, reasons) => {
  expect(healthOf((gpu) => Object.assign(gpu, { throttleReasons: bits })).throttleReasons).toEqual(reasons);
});

test.each([
  [0, 'none'],
  [1, 'reset'],
  [2, 'reboot'],
  [3, 'drain-p2p'],
  [4, 'drain-and-reset'],
  [5, 'imex'],
  [6, 'reboot'],
])('recovery action %i is %s', (value, action) => {
  expect(healthOf(withFields({ 230: value })).recoveryAction).toBe(action);
});

test('a recovery action that is not supported, or not given this time, is absent, never none', () => {
  expect(healthOf((gpu) => void delete gpu.fields['230'])).not.toHaveProperty('recoveryAction');
  expect(healthOf(withFields({ 230: { code: 999 } }))).not.toHaveProperty('recoveryAction');
  expect(healthOf(withFields({ 230: { type: 1, value: 0xffffffff } }))).not.toHaveProperty('recoveryAction');
});

test('a field that fails takes no other with it', () => {
  const health = healthOf(withFields({ 82: { code: 999 } }));
  expect(health).not.toHaveProperty('memoryTemperatureCelsius');
  expect(health).toMatchObject({ recoveryAction: 'none', nvlinkErrors: { crc: 0 } });
});

test.each([
  ['a double', { type: 0, value: 55 }],
  ['an unsigned int', { type: 1, value: 55 }],
  ['an unsigned long', { type: 2, value: 55 }],
  ['a signed long long', { type: 4, value: 55 }],
  ['a signed int', { type: 5, value: 55 }],
  ['an unsigned short', { type: 6, value: 55 }],
])('a field may come as %s', (_, field) => {
  expect(healthOf(withFields({ 82: field })).memoryTemperatureCelsius).toBe(55);
});

test.each<[string, FakeField]>([
  ['a type that does not exist', { type: 99, value: 55 }],
  ['a fraction', { type: 0, value: 55.5 }],
  ['a negative number', { type: 5, value: -55 }],
  ['all ones in 32 bits', { type: 1, value: 0xffffffff }],
  ['a memory without a sensor', 0],
])('%s is no temperature', (_, field) => {
  expect(healthOf(withFields({ 82: field }))).not.toHaveProperty('memoryTemperatureCelsius');
});

test.each([
  'nvmlDeviceGetTotalEccErrors',
  'nvmlDeviceGetRemappedRows',
  'nvmlDeviceGetCurrentClocksEventReasons',
  'nvmlDeviceGetPcieReplayCounter',
  'nvmlDeviceGetFieldValues',
] as const)('%s fails, and the rest is read', (name) => {
  const health = healthOf(() => {}, { [name]: 999 });
  expect(health).toMatchObject({ temperatureCelsius: 34 });
  expect(Object.keys(health).length).toBeGreaterThanOrEqual(5);
});

test('a GPU that is lost while its errors are counted is lost', () => {
  const { driver, source } = openSource();
  driver.update((state) => {
    state.errors = { nvmlDeviceGetTotalEccErrors: { 0: 15 } };
  });
  expect(() => source.check(0)).toThrow(expect.objectContaining({ fault: 'lost' }));
});
