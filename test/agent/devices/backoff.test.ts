// The delays between attempts.
import { expect, test } from 'vitest';
import { Backoff } from '../../../src/agent/devices/backoff.ts';

test('doubles up to its bound, and starts over after a quiet time', () => {
  let now = 0;
  const backoff = new Backoff({ first: 100, longest: 1_000, clock: () => now, random: () => 1 });
  const delays = Array.from({ length: 6 }, () => {
    const delay = backoff.next();
    now += delay;
    return delay;
  });
  expect(delays).toEqual([100, 200, 400, 800, 1_000, 1_000]);
  now += 900;
  expect(backoff.next()).toBe(1_000);
  now += 1_000 + 1_001;
  expect(backoff.next()).toBe(100);
});

test('jitter takes away up to half', () => {
  const backoff = new Backoff({ first: 100, longest: 1_000, clock: () => 0, random: () => 0 });
  expect(backoff.next()).toBe(50);
});
