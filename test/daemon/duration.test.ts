// Durations are read with their unit and shown in the shortest exact form.
import { expect, test } from 'vitest';
import { formatDuration, parseDuration } from '../../src/daemon/duration.ts';

test.each([
  ['500ms', 500],
  ['5s', 5000],
  ['1.5s', 1500],
  ['2m', 120_000],
  ['1h', 3_600_000],
  ['0s', 0],
])('%s is %d ms', (text, ms) => {
  expect(parseDuration(text)).toBe(ms);
});

test.each(['5', '', 's', '-5s', '5 s', '5S', '1d', '1m30s', '1e3s', 'NaNs', ' 5s'])('%j is no duration', (text) => {
  expect(parseDuration(text)).toBeUndefined();
});

test.each([
  [0, '0s'],
  [999, '999ms'],
  [1000, '1s'],
  [90_000, '90s'],
  [60_000, '1m'],
  [7_200_000, '2h'],
])('%d ms is shown as %s', (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
  expect(parseDuration(text)).toBe(ms);
});
