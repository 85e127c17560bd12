// The waits between attempts: random from nothing to a bound that doubles, and anew after a reset.
import { expect, test } from 'vitest';
import { Backoff } from '../../src/daemon/backoff.ts';

test('the bound doubles up to the longest, and begins anew', () => {
  const backoff = new Backoff({ first: 500, longest: 30_000 }, () => 1);
  expect(Array.from({ length: 9 }, () => backoff.next())).toEqual([
    500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000,
  ]);
  backoff.reset();
  expect(backoff.next()).toBe(500);
});

test('the wait is anything up to the bound', () => {
  let random = 0;
  const backoff = new Backoff({ first: 500, longest: 30_000 }, () => random);
  expect(backoff.next()).toBe(0);
  random = 0.25;
  expect(backoff.next()).toBe(250);
});
