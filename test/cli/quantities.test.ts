// Quantities as people read them.
import { expect, test } from 'vitest';
import { formatAge, formatGibOf, formatNumber, formatWattsOf } from '../../src/cli/quantities.ts';

const gib = 2n ** 30n;

test.each([
  [undefined, undefined, '-'],
  [undefined, 80n * gib, '-/80.0 GiB'],
  [gib / 2n, 80n * gib, '0.5/80.0 GiB'],
  [0n, undefined, '0.0/-'],
])('memory %s of %s', (used, total, text) => {
  expect(formatGibOf(used, total)).toBe(text);
});

test.each([
  [undefined, undefined, '-'],
  [undefined, 700_000, '-/700 W'],
  [312_499, undefined, '312/- W'],
  [0, 700_000, '0/700 W'],
])('power %s of %s', (used, limit, text) => {
  expect(formatWattsOf(used, limit)).toBe(text);
});

test.each([
  [-5, '0s'],
  [999, '0s'],
  [59_000, '59s'],
  [60_000, '1m'],
  [3_725_000, '1h 2m'],
  [3_605_000, '1h'],
  [90_061_000, '1d 1h'],
])('%d ms are %s', (ms, text) => {
  expect(formatAge(ms)).toBe(text);
});

test('zero is a value, absence is a dash', () => {
  expect([formatNumber(0, '%'), formatNumber(undefined, '%')]).toEqual(['0%', '-']);
});
