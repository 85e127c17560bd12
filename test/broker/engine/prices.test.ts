// Prices and costs are exact over the whole range of orders: checked against arithmetic without bounds.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { highestPrice, longestHours, mostGpus, tick } from '../../../src/broker/engine/order.ts';
import { costOfHours, costOfSeconds, midpoint, spotPrice } from '../../../src/broker/engine/prices.ts';
import { runs } from '../../properties.ts';

const price = fc.integer({ min: 1, max: highestPrice / tick }).map((ticks) => ticks * tick);
/** A trade price may be off the tick. */
const tradePrice = fc.integer({ min: 1, max: highestPrice });
const quantity = fc.integer({ min: 1, max: mostGpus });

describe('the midpoint', () => {
  test.each([
    [2_500_000, 2_500_000, 2_500_000],
    [2_500_100, 2_500_000, 2_500_050],
    [3, 2, 2],
    [highestPrice, 100, highestPrice / 2 + 50],
  ])('of %i and %i is %i', (bid, ask, expected) => expect(midpoint(bid, ask)).toBe(expected));

  test('is exact and lies between', () => {
    fc.assert(
      fc.property(price, price, (one, other) => {
        const [ask, bid] = one < other ? [one, other] : [other, one];
        expect(BigInt(midpoint(bid, ask))).toBe((BigInt(bid) + BigInt(ask)) / 2n);
        expect(midpoint(bid, ask)).toBeGreaterThanOrEqual(ask);
        expect(midpoint(bid, ask)).toBeLessThanOrEqual(bid);
      }),
      runs(1_000, 200_000),
    );
  });
});

describe('the cost of hours', () => {
  test('is exact, or none', () => {
    fc.assert(
      fc.property(tradePrice, quantity, fc.integer({ min: 1, max: longestHours }), (each, gpus, hours) => {
        const exact = BigInt(each) * BigInt(gpus) * BigInt(hours);
        expect(costOfHours(each, gpus, hours)).toBe(exact < 2n ** 53n ? Number(exact) : undefined);
      }),
      runs(1_000, 200_000),
    );
  });

  test('has its bound at the last number that is exact', () => {
    // 2^53 - 1 = 6361 × 69431 × 20394401.
    expect(costOfHours(20_394_401, 6361, 69_431)).toBe(2 ** 53 - 1);
    expect(costOfHours(2 ** 33, 2 ** 10, 2 ** 10)).toBeUndefined();
  });
});

describe('the cost of seconds', () => {
  const lease = fc
    .tuple(tradePrice, quantity, fc.integer({ min: 1, max: longestHours }))
    .filter(([each, gpus, hours]) => costOfHours(each, gpus, hours) !== undefined)
    .chain(([each, gpus, hours]) =>
      fc.record({
        each: fc.constant(each),
        gpus: fc.constant(gpus),
        hours: fc.constant(hours),
        seconds: fc.uniqueArray(fc.integer({ min: 0, max: hours * 3600 }), { minLength: 1, maxLength: 20 }),
      }),
    );

  test('is exact, and in the end what was held back, in however many steps it is settled', () => {
    fc.assert(
      fc.property(lease, ({ each, gpus, hours, seconds }) => {
        let captured = 0;
        for (const elapsed of [...seconds.sort((a, b) => a - b), hours * 3600]) {
          const total = costOfSeconds(each, gpus, elapsed);
          expect(BigInt(total)).toBe((BigInt(each) * BigInt(gpus) * BigInt(elapsed)) / 3600n);
          expect(total).toBeGreaterThanOrEqual(captured);
          captured += total - captured;
        }
        expect(captured).toBe(costOfHours(each, gpus, hours));
      }),
      runs(1_000, 200_000),
    );
  });

  test.each([
    [2_500_000, 1, 1, 694],
    [2_500_000, 1, 3600, 2_500_000],
    [2_500_000, 8, 86_400, 480_000_000],
    [1, 1, 3599, 0],
    [1, 1, 3600, 1],
  ])('%i µ$ × %i GPUs × %i s = %i µ$', (each, gpus, seconds, cost) =>
    expect(costOfSeconds(each, gpus, seconds)).toBe(cost),
  );
});

describe('the spot price', () => {
  test.each([
    [2_000_000, 0, 0, 2_000_000],
    [2_000_000, 0, 8, 2_000_000],
    [2_000_000, 4, 8, 3_000_000],
    [2_000_000, 8, 8, 6_000_000],
    // 1 + 2 ÷ 9 = 1.2222…
    [1_000_000, 1, 3, 1_222_200],
    // 700 × 1.5 = 1050: a half goes up.
    [700, 1, 2, 1_100],
    [500, 1, 2, 800],
    [300, 1, 2, 500],
    [100, 1, 2, 200],
  ])('of %i with %i of %i leased is %i', (base, leased, all, expected) =>
    expect(spotPrice(base, leased, all)).toBe(expected),
  );

  test('is base × (1 + 2u²) to the nearest tick, exactly', () => {
    const use = fc.integer({ min: 0, max: 2_000_000 }).chain((all) => fc.tuple(fc.nat(all), fc.constant(all)));
    fc.assert(
      fc.property(price, use, (base, [leased, all]) => {
        const n = BigInt(all || 1);
        const doubled = 2n * BigInt(base) * (n * n + 2n * BigInt(leased) ** 2n);
        const unit = BigInt(tick) * n * n;
        expect(BigInt(spotPrice(base, leased, all))).toBe(((doubled + unit) / (2n * unit)) * BigInt(tick));
      }),
      runs(1_000, 200_000),
    );
  });

  test('grows with use, from the base to three times the base', () => {
    fc.assert(
      fc.property(price, fc.integer({ min: 1, max: 200 }), (base, all) => {
        const prices = Array.from({ length: all + 1 }, (_, leased) => spotPrice(base, leased, all));
        expect(prices).toEqual(prices.toSorted((a, b) => a - b));
        expect([prices[0], prices[all]]).toEqual([base, 3 * base]);
      }),
      runs(100, 10_000),
    );
  });
});
