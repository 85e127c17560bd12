// What is published of a window: cases worked by hand, and any window against arithmetic on its trades.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { root, type TapeSums, windowAt, windowLength, windowOf } from '../../../../src/broker/market/index/windows.ts';
import { runs } from '../../../properties.ts';

interface TapeTrade {
  readonly quantity: number;
  readonly price: number;
  readonly hours: number;
}

function sumsOf(trades: readonly TapeTrade[]): TapeSums {
  const prices = trades.map(({ price }) => price);
  return {
    product: 'A',
    startsAt: 0,
    trades: trades.length,
    gpus: trades.reduce((sum, { quantity }) => sum + quantity, 0),
    gpuHours: trades.reduce((sum, { quantity, hours }) => sum + quantity * hours, 0),
    volume: trades.reduce((sum, { quantity, price }) => sum + BigInt(quantity) * BigInt(price), 0n),
    squares: trades.reduce((sum, { quantity, price }) => sum + BigInt(quantity) * BigInt(price) ** 2n, 0n),
    minPrice: Math.min(...prices),
    maxPrice: Math.max(...prices),
  };
}

describe('a window', () => {
  test('of one trade has its price, and no deviation', () => {
    const window = windowOf(sumsOf([{ quantity: 3, price: 2_500_050, hours: 24 }]), 0, false);
    expect(window).toEqual({
      product: 'A',
      startsAt: 0,
      revision: 0,
      final: false,
      trades: 1,
      gpus: 3,
      gpuHours: 72,
      volume: 7_500_150,
      vwap: 2_500_050,
      minPrice: 2_500_050,
      maxPrice: 2_500_050,
      stddev: 0,
    });
  });

  test('weighs prices by GPUs', () => {
    const trades = [2, 4, 4, 4, 5, 5, 7, 9].map((price) => ({ quantity: 1, price, hours: 1 }));
    expect(windowOf(sumsOf(trades), 1, true)).toMatchObject({
      revision: 1,
      final: true,
      vwap: 5,
      stddev: 2,
      volume: 40,
    });
    const weighted = [
      { quantity: 1, price: 10, hours: 2 },
      { quantity: 3, price: 20, hours: 1 },
    ];
    // Mean 17.5; deviation the root of 18.75, which is 4.33.
    expect(windowOf(sumsOf(weighted), 0, false)).toMatchObject({
      vwap: 17,
      stddev: 4,
      gpus: 4,
      gpuHours: 5,
      volume: 70,
    });
  });

  test('with more volume than a number holds gives the largest that it does', () => {
    const trades = Array.from({ length: 100 }, () => ({ quantity: 10_000, price: 10_000_000_000, hours: 1 }));
    expect(windowOf(sumsOf(trades), 0, false)).toMatchObject({
      volume: Number.MAX_SAFE_INTEGER,
      vwap: 10_000_000_000,
      stddev: 0,
    });
  });

  test('has the exact mean and deviation, rounded down', () => {
    const trade = fc.record({
      quantity: fc.integer({ min: 1, max: 10_000 }),
      price: fc.integer({ min: 1, max: 10_000_000_000 }),
      hours: fc.integer({ min: 1, max: 8_760 }),
    });
    fc.assert(
      fc.property(fc.array(trade, { minLength: 1, maxLength: 50 }), (trades) => {
        const { vwap, stddev, gpus, minPrice, maxPrice } = windowOf(sumsOf(trades), 0, false);
        const count = BigInt(gpus);
        const total = trades.reduce((sum, { quantity, price }) => sum + BigInt(quantity * price), 0n);
        expect(BigInt(vwap) * count <= total && (BigInt(vwap) + 1n) * count > total).toBe(true);
        // Σ q (p − mean)², times the square of the count, is whole.
        const spread = trades.reduce(
          (sum, { quantity, price }) => sum + BigInt(quantity) * (BigInt(price) * count - total) ** 2n,
          0n,
        );
        const scaled = (deviation: number) => BigInt(deviation) ** 2n * count ** 3n;
        expect(scaled(stddev) <= spread && scaled(stddev + 1) > spread).toBe(true);
        expect(vwap).toBeGreaterThanOrEqual(minPrice);
        expect(vwap).toBeLessThanOrEqual(maxPrice);
      }),
      runs(500, 50_000),
    );
  });

  test('the root of a square is exact to the last unit', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 1n << 70n }), (number) => {
        expect(root(number * number)).toBe(number);
        if (number > 0n) expect(root(number * number - 1n)).toBe(number - 1n);
      }),
      runs(500, 100_000),
    );
  });

  test('takes in its first millisecond and not the first of the next', () => {
    const start = Date.UTC(2026, 10, 21, 12, 5);
    expect([start - 1, start, start + windowLength - 1, start + windowLength].map(windowAt)).toEqual([
      start - windowLength,
      start,
      start,
      start + windowLength,
    ]);
  });
});
