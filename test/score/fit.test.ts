// Allocation check: golden cases of GPUs and requests, and what holds of all.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Gpu, labels } from '../../src/api/gpus.ts';
import { type FitGpu, type FitRequest, fitOf } from '../../src/score/fit.ts';
import { runs } from '../properties.ts';

const h100: FitGpu = {
  product: 'H100-SXM5-80GB',
  vendor: 'nvidia',
  model: 'NVIDIA H100 80GB HBM3',
  memory_bytes: 85_520_809_984,
  compute_capability: '9.0',
  driver_version: '580.159.03',
  health: 'healthy',
  status: 'available',
  label: 'measured',
  score: 93,
  figures: { fp32: 38.2, 'memory-bandwidth': 2601, 'memory-latency': 702 },
};

/** Of which nobody knows anything but that it is there. */
const stranger: FitGpu = {
  product: null,
  vendor: null,
  model: null,
  memory_bytes: null,
  compute_capability: null,
  driver_version: null,
  health: 'unknown',
  status: 'available',
  label: 'self-reported',
  score: null,
  figures: {},
};

test('a request that an H100 fits entirely', () => {
  const request: FitRequest = {
    product: 'H100-SXM5-80GB',
    vendor: 'nvidia',
    model: 'NVIDIA H100 80GB HBM3',
    memory_gb_min: 79,
    memory_gb_max: 80,
    compute_capability_min: '8.9',
    driver_version_min: '550.54.14',
    health: 'healthy',
    status: 'available',
    label_min: 'measured',
    score_min: 93,
    figures: { 'memory-bandwidth': 2500, 'memory-latency': 750 },
  };
  const { fits, checks } = fitOf(h100, request);
  expect(fits).toBe(true);
  expect(checks.map(({ field, wanted, ok }) => [field, wanted, ok])).toEqual([
    ['product', 'H100-SXM5-80GB', true],
    ['vendor', 'nvidia', true],
    ['model', 'NVIDIA H100 80GB HBM3', true],
    ['memory_gb_min', 79, true],
    ['memory_gb_max', 80, true],
    ['compute_capability_min', '8.9', true],
    ['driver_version_min', '550.54.14', true],
    ['health', 'healthy', true],
    ['status', 'available', true],
    ['label_min', 'measured', true],
    ['score_min', 93, true],
    ['figures.memory-bandwidth', 2500, true],
    ['figures.memory-latency', 750, true],
  ]);
});

describe('one wish that it does not fit', () => {
  test.each<[FitRequest, string, string | number]>([
    [{ product: 'H100-PCIE-80GB' }, 'product', 'H100-SXM5-80GB'],
    [{ vendor: 'amd' }, 'vendor', 'nvidia'],
    [{ memory_gb_min: 80 }, 'memory_gb_min', 85_520_809_984 / 2 ** 30],
    [{ memory_gb_max: 79 }, 'memory_gb_max', 85_520_809_984 / 2 ** 30],
    [{ compute_capability_min: '9.1' }, 'compute_capability_min', '9.0'],
    [{ compute_capability_min: '10.0' }, 'compute_capability_min', '9.0'],
    [{ driver_version_min: '580.159.4' }, 'driver_version_min', '580.159.03'],
    [{ driver_version_min: 'newest' }, 'driver_version_min', '580.159.03'],
    [{ health: 'unhealthy' }, 'health', 'healthy'],
    [{ status: 'maintenance' }, 'status', 'available'],
    [{ label_min: 'challenge-verified' }, 'label_min', 'measured'],
    [{ score_min: 94 }, 'score_min', 93],
    [{ figures: { 'memory-bandwidth': 2602 } }, 'figures.memory-bandwidth', 2601],
    [{ figures: { 'memory-latency': 700 } }, 'figures.memory-latency', 702],
  ])('%j', (request, field, has) => {
    const { fits, checks } = fitOf(h100, { vendor: 'nvidia', ...request });
    expect(fits).toBe(false);
    expect(checks.filter(({ ok }) => !ok)).toEqual([expect.objectContaining({ field, has })]);
  });
});

test('versions are compared by their numbers', () => {
  const at = (driver: string, least: string) =>
    fitOf({ ...h100, driver_version: driver }, { driver_version_min: least }).fits;
  expect(at('8.10', '8.9')).toBe(true);
  expect(at('550', '550.0')).toBe(true);
  expect(at('550.54', '550.54.1')).toBe(false);
  expect(at('unknown', '0')).toBe(false);
});

test('what is not known fits no wish', () => {
  const { fits, checks } = fitOf(stranger, {
    memory_gb_min: 0,
    memory_gb_max: 1000,
    compute_capability_min: '0.0',
    score_min: 0,
    figures: { fp32: 0 },
  });
  expect(fits).toBe(false);
  expect(checks.map(({ has, ok }) => [has, ok])).toEqual(Array(5).fill([null, false]));
});

test('no wish, no check', () => {
  expect(fitOf(stranger, {})).toEqual({ fits: true, checks: [] });
});

test('labels are those of the API, in their order', () => {
  for (const [rank, label] of labels.entries()) {
    const passed = labels.filter((label_min) => fitOf({ ...h100, label }, { label_min }).fits);
    expect(passed).toEqual(labels.slice(0, rank + 1));
  }
});

test('a GPU of the API fits as it is', () => {
  const given = { ...h100, health: 'healthy', status: 'available', label: 'measured' } as Gpu & Pick<FitGpu, 'figures'>;
  expect(fitOf(given, { score_min: 90 }).fits).toBe(true);
});

const wishes = fc.record(
  {
    vendor: fc.constantFrom('nvidia', 'amd'),
    memory_gb_min: fc.integer({ min: 0, max: 160 }),
    compute_capability_min: fc.constantFrom('7.5', '8.0', '9.0', '10.0'),
    label_min: fc.constantFrom(...labels),
    score_min: fc.integer({ min: 0, max: 100 }),
  },
  { requiredKeys: [] },
) as fc.Arbitrary<FitRequest>;

test('two requests together fit exactly what both fit', () => {
  fc.assert(
    fc.property(wishes, wishes, fc.constantFrom(h100, stranger), (one, other, gpu) => {
      const apart = Object.keys(one).filter((key) => !(key in other));
      const first = Object.fromEntries(apart.map((key) => [key, one[key as keyof FitRequest]])) as FitRequest;
      expect(fitOf(gpu, { ...first, ...other }).fits).toBe(fitOf(gpu, first).fits && fitOf(gpu, other).fits);
    }),
    runs(200, 20_000),
  );
});
