// What is expected of a model: by the reference, and by the history of its GPUs, which may ask for more and never for less.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bandsOf, ceilingsOf, leastGpus, type ModelHistory } from '../../src/score/band.ts';
import { medianOf } from '../../src/score/figures.ts';
import { type Reference, referenceOf, references } from '../../src/score/reference.ts';
import { runs } from '../properties.ts';

const known = (product: string) => referenceOf(product) as Reference;
const h100 = known('H100-SXM5-80GB');

describe('by the reference', () => {
  test('what was measured on the model is expected, and three quarters of it pass', () => {
    expect(bandsOf(h100)).toEqual({
      fp32: { expected: 39, accepted: 29.25, from: 'reference' },
      'tensor-fp16': { expected: 989 * 0.6, accepted: 989 * 0.38, from: 'reference' },
      'memory-bandwidth': { expected: 2540, accepted: 1905, from: 'reference' },
    });
  });

  test('else it is the share of the peak that others reach', () => {
    const { fp32, 'memory-bandwidth': memory } = bandsOf(known('A100-SXM4-40GB'));
    expect(fp32).toEqual({ expected: 19.5 * 0.6, accepted: 19.5 * 0.38, from: 'reference' });
    expect(memory).toEqual({ expected: 1555 * 0.75, accepted: 1555 * 0.65, from: 'reference' });
  });

  test('the typical shares are the middle of what was measured', () => {
    const shareOf = (name: 'fp32' | 'memory-bandwidth') =>
      medianOf(references.flatMap(({ peaks, measured }) => (measured[name] ? [measured[name] / peaks[name]] : [])));
    expect(shareOf('fp32')).toBeCloseTo(0.62, 2);
    expect(shareOf('memory-bandwidth')).toBeCloseTo(0.77, 2);
  });

  test.each([
    ['T4-PCIE-16GB', false],
    ['A100-SXM4-40GB', true],
    ['L4-PCIE-24GB', true],
    ['H200-SXM5-141GB', true],
    ['B200-SXM6-180GB', false],
    ['RTX-5090-PCIE-32GB', true],
    ['MI300X-OAM-192GB', false],
  ])('whether matrix units are expected of a %s: %s', (product, expected) => {
    expect('tensor-fp16' in bandsOf(known(product))).toBe(expected);
  });

  test('of a model that nobody knows nothing is expected', () => {
    expect(bandsOf(undefined)).toEqual({});
  });
});

describe('by history', () => {
  const around = (middle: number, count: number = leastGpus, step = 0.001) =>
    Array.from({ length: count }, (_, index) => middle * (1 + step * (index - (count - 1) / 2)));

  test('eight GPUs say what is usual, and a tenth less passes', () => {
    const { fp32 } = bandsOf(h100, { fp32: around(60) });
    expect(fp32).toEqual({ expected: expect.closeTo(60, 9), accepted: expect.closeTo(54, 9), from: 'history' });
  });

  test('seven do not', () => {
    expect(bandsOf(h100, { fp32: around(60, 7) })).toEqual(bandsOf(h100));
    expect(bandsOf(undefined, { fp32: around(60, 7) })).toEqual({});
  });

  test('it knows figures that no data sheet does, also where less is better', () => {
    const latency = bandsOf(undefined, { 'memory-latency': around(600) })['memory-latency'];
    expect(latency).toEqual({ expected: 600, accepted: expect.closeTo(600 / 0.9, 9), from: 'history' });
  });

  test('a wide spread widens the band, down to half', () => {
    expect(bandsOf(undefined, { fp16: around(100, 9, 0.02) }).fp16?.accepted).toBeCloseTo(100 - 3 * 1.4826 * 4, 6);
    expect(bandsOf(undefined, { fp16: around(100, 9, 0.2) }).fp16?.accepted).toBeCloseTo(50, 6);
  });

  test('one wild GPU among them moves little', () => {
    const wild = [...around(60, 8), 600];
    expect(bandsOf(h100, { fp32: wild }).fp32?.expected).toBeCloseTo(60, 0);
  });

  test('a crowd of slow cards does not make slow usual, nor a crowd of lies fast', () => {
    expect(bandsOf(h100, { fp32: around(20, 100) })).toEqual(bandsOf(h100));
    expect(bandsOf(h100, { fp32: around(500, 100) })).toEqual(bandsOf(h100));
  });

  test('errors have no band', () => {
    expect(bandsOf(h100, { 'memory-check': around(1), 'ecc-uncorrected': around(1) })).toEqual(bandsOf(h100));
  });
});

test('no honest card comes above 1.3 of its peak, and the bus bounds the transfers', () => {
  expect(ceilingsOf(h100)).toEqual({
    fp32: 67 * 1.3,
    fp16: 989 * 1.3,
    'tensor-fp16': 989 * 1.3,
    int8: 1979 * 1.3,
    'memory-bandwidth': 3350 * 1.3,
    'host-to-device': 63 * 1.3,
    'device-to-host': 63 * 1.3,
  });
});

const histories: fc.Arbitrary<ModelHistory> = fc.record(
  Object.fromEntries(
    (['fp32', 'fp16', 'tensor-fp16', 'memory-bandwidth', 'memory-latency', 'memory-check'] as const).map((name) => [
      name,
      fc.array(fc.double({ min: 0, max: 1e5 }), { maxLength: 20 }),
    ]),
  ),
  { requiredKeys: [] },
);

test('history never lets pass what the reference refuses', () => {
  fc.assert(
    fc.property(fc.constantFrom(...references), histories, (reference, history) => {
      const [alone, together] = [bandsOf(reference), bandsOf(reference, history)];
      for (const name of ['fp32', 'tensor-fp16', 'memory-bandwidth'] as const) {
        expect(together[name]?.accepted ?? Number.POSITIVE_INFINITY).toBeGreaterThanOrEqual(alone[name]?.accepted ?? 0);
      }
    }),
    runs(300, 20_000),
  );
});

test('every band is of positive numbers, and what is expected passes', () => {
  fc.assert(
    fc.property(fc.option(fc.constantFrom(...references), { nil: undefined }), histories, (reference, history) => {
      for (const [name, { expected, accepted }] of Object.entries(bandsOf(reference, history))) {
        expect(Math.min(expected, accepted)).toBeGreaterThan(0);
        expect(name === 'memory-latency' ? accepted >= expected : accepted <= expected).toBe(true);
      }
    }),
    runs(300, 20_000),
  );
});
