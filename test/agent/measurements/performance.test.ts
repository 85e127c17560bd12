// Whether a GPU has become slower than it was, by what was measured of it.
import { expect, test } from 'vitest';
import { performanceOf } from '../../../src/agent/measurements/performance.ts';
import { throttleMask } from '../../../src/agent/telemetry/throttle-bits.ts';
import type { Measurement } from '../../../src/wire/gpubroker/device/v1/measurement.ts';
import { measurementOf } from '../../fixtures/measurement.ts';

interface Run {
  readonly fp32?: number;
  readonly bandwidth?: number;
  readonly throttled?: Parameters<typeof throttleMask>[0];
  readonly limit?: number;
  readonly more?: Partial<Measurement>;
}

function run({ fp32, bandwidth, throttled = [], limit = 700_000, more = {} }: Run): Measurement {
  const conditions = { readings: 1, throttleBits: throttleMask(throttled) ?? 0, powerLimitMilliwatts: limit };
  const figure = (name: string, unit: string, value: number | undefined) =>
    value === undefined ? [] : [{ name, unit, samples: [value, value, value], conditions }];
  const figures = [...figure('fp32', 'TFLOP/s', fp32), ...figure('memory-bandwidth', 'GB/s', bandwidth)];
  return measurementOf('gpu-a', { figures, unmeasured: [], ...more });
}

const usual = [60, 61, 60.5, 60.2].map((fp32) => run({ fp32, bandwidth: 3_000 }));
const statusOf = (...runs: Measurement[]) => performanceOf([...usual, ...runs])?.status;

test('without a history nothing is known', () => {
  expect(performanceOf([])).toBeUndefined();
  expect(performanceOf(usual.slice(0, 3))).toBeUndefined();
});

test('a GPU as usual is not degraded; a slower one is, and the message says by how much', () => {
  expect(performanceOf(usual)).toMatchObject({ type: 'PerformanceDegraded', status: 'False', reason: 'AsUsual' });
  expect(performanceOf([...usual, run({ fp32: 30, bandwidth: 3_000 })])).toEqual({
    type: 'PerformanceDegraded',
    status: 'True',
    reason: 'SlowerThanUsual',
    message: 'fp32: 30 TFLOP/s, 50 % of the usual speed (60.4 TFLOP/s)',
  });
});

test('it stays so for as long as it is slow, and is over when it is not', () => {
  const slow = Array.from({ length: 30 }, () => run({ fp32: 30, bandwidth: 3_000 }));
  expect(statusOf(...slow)).toBe('True');
  expect(statusOf(...slow, run({ fp32: 60 }))).toBe('False');
});

test('a run that measures something else takes nothing back', () => {
  const slow = run({ fp32: 30, bandwidth: 3_000 });
  expect(statusOf(slow, run({ bandwidth: 3_000 }))).toBe('True');
  expect(statusOf(slow, run({ fp32: 60, more: { effort: 'thorough' } }))).toBe('True');
});

test('what somebody else restrains is not slow; heat is no such restraint', () => {
  expect(statusOf(run({ fp32: 30, throttled: ['power-cap'] }))).toBe('False');
  expect(statusOf(run({ fp32: 30, throttled: ['power-brake', 'hardware-slowdown'] }))).toBe('False');
  expect(statusOf(run({ fp32: 30, limit: 350_000 }))).toBe('False');
  expect(statusOf(run({ fp32: 30, throttled: ['hardware-thermal', 'hardware-slowdown'] }))).toBe('True');
});

test('under the same restraint as before it is compared again', () => {
  const capped = [30, 31, 30.5].map((fp32) => run({ fp32, limit: 350_000 }));
  expect(statusOf(...capped, run({ fp32: 30, limit: 350_000 }))).toBe('False');
  expect(statusOf(...capped, run({ fp32: 20, limit: 350_000 }))).toBe('True');
});

test('another driver version raises nothing until there is a history with it', () => {
  const other = (fp32: number) => run({ fp32, more: { driverVersion: '2.0' } });
  expect(statusOf(other(30))).toBeUndefined();
  expect(statusOf(other(30), other(30), other(30), other(30))).toBe('False');
  expect(statusOf(other(30), other(30), other(30), other(15))).toBe('True');
});

test('counts of errors, and what GPUs share, are no speed of the GPU', () => {
  const figures = (efficiency: number, errors: number) => [
    { name: 'parallel-efficiency', unit: 'ratio', samples: [efficiency] },
    { name: 'memory-check', unit: 'errors', samples: [errors] },
  ];
  const runs = [1, 1, 1, 1, 0.3].map((ratio, errors) => measurementOf('gpu-a', { figures: figures(ratio, errors) }));
  expect(performanceOf(runs)).toBeUndefined();
});
