// What the broker is sent of a GPU's readings: units that its columns hold, rates of counters, and nothing unknown.
import { expect, test } from 'vitest';
import { toSample } from '../../src/agent/sample.ts';
import { Readings } from '../../src/wire/gpubroker/device/v1/device_details.ts';

const at = (seconds: number, values: Partial<Readings> = {}) =>
  Readings.fromPartial({ time: new Date(1_700_000_000_000 + seconds * 1_000), ...values });

/** Without what is absent. */
const sampled = (now: Readings, before?: Readings) => JSON.parse(JSON.stringify(toSample('gpu-a', now, before)));

test('everything is in the units of the message', () => {
  const now = at(0, {
    memoryTemperatureCelsius: 71,
    energyMillijoules: 123_456_789n,
    throttleReasons: ['power-cap', 'hardware-thermal', 'of another driver'],
    pcieTxBytesPerSecond: 6_000_499n,
    pcieRxBytesPerSecond: 12_000_000n,
    eccErrors: { volatileCorrected: 2n ** 40n, volatileUncorrected: 1n, aggregateCorrected: 7n },
  });
  expect(sampled(now)).toEqual({
    gpu: 'gpu-a',
    memoryTemperatureCelsius: 71,
    energyJoules: 123_456.789,
    throttleBits: 0x44,
    pcieTxKilobytes: 6_000,
    pcieRxKilobytes: 12_000,
    eccCorrected: 0xffff_ffff,
    eccUncorrected: 1,
  });
});

test('what the driver does not say is absent', () => {
  expect(sampled(at(0))).toEqual({ gpu: 'gpu-a' });
});

test('the traffic of NVLink is that since the sample before', () => {
  const before = at(0, { nvlinkTxBytes: 1_000_000_000n, nvlinkRxBytes: 5_000_000_000n });
  const now = at(5, { nvlinkTxBytes: 2_000_000_000n, nvlinkRxBytes: 5_000_000_000n });
  expect(sampled(now, before)).toEqual({ gpu: 'gpu-a', nvlinkTxKilobytes: 200_000, nvlinkRxKilobytes: 0 });
  expect(sampled(now)).toEqual({ gpu: 'gpu-a' });
});

test('counters that began anew say nothing of the time between', () => {
  const before = at(0, { nvlinkTxBytes: 2_000n, nvlinkRxBytes: 1_000n });
  const now = at(5, { nvlinkTxBytes: 1_000n, nvlinkRxBytes: 6_001_000n });
  expect(sampled(now, before)).toEqual({ gpu: 'gpu-a', nvlinkRxKilobytes: 1_200 });
});
