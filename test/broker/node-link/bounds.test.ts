// The small parts that bound what others do: allowances and turns.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TokenBucket, TokenBuckets } from '../../../src/broker/api/node-link/token-bucket.ts';
import { Turns } from '../../../src/broker/api/node-link/turns.ts';
import { runs } from '../../properties.ts';

describe('an allowance', () => {
  test('never gives more than its burst and what has grown since', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 2_000 }), { maxLength: 200 }), (pauses) => {
        const bucket = new TokenBucket(5, 2, 0);
        let now = 0;
        let taken = 0;
        for (const pause of pauses) {
          now += pause;
          if (bucket.take(now)) taken += 1;
          expect(taken).toBeLessThanOrEqual(5 + now / 500);
        }
      }),
      runs(100, 5_000),
    );
  });

  test('survives a clock that goes back', () => {
    const bucket = new TokenBucket(1, 1, 10_000);
    expect([bucket.take(10_000), bucket.take(5_000), bucket.take(6_001)]).toEqual([true, false, true]);
  });

  test('of many: the longest unseen is forgotten, and those that are full', () => {
    const buckets = new TokenBuckets(1, 0.001, 2);
    expect(['a', 'b', 'a', 'c', 'b'].map((name) => buckets.take(name, 0))).toEqual([true, true, false, true, true]);
    buckets.prune(999_999);
    expect(buckets.size).toBe(2);
    buckets.prune(1_000_000);
    expect(buckets.size).toBe(0);
  });
});

test('turns run so many at a time, in order, whatever comes of each', async () => {
  const turns = new Turns(2);
  const order: number[] = [];
  let running = 0;
  let most = 0;
  const tasks = Array.from({ length: 10 }, (_, i) =>
    turns.run(async () => {
      order.push(i);
      running += 1;
      most = Math.max(most, running);
      await new Promise((done) => setImmediate(done));
      running -= 1;
      if (i % 3 === 0) throw new Error('no');
      return i;
    }),
  );
  const ended = await Promise.allSettled(tasks);
  expect(ended.filter(({ status }) => status === 'rejected')).toHaveLength(4);
  expect({ most, order, full: turns.isFull }).toEqual({
    most: 2,
    order: [...order].sort((a, b) => a - b),
    full: false,
  });
});
