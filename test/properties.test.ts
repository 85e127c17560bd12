// The seed of the property tests: one a run, which reaches the processes that run them.
import { afterEach, expect, inject, test, vi } from 'vitest';
import { runs } from './properties.ts';

afterEach(() => {
  vi.unstubAllEnvs();
});

test('properties use the seed that the run prints', () => {
  expect(runs(1, 2).seed).toBe(inject('seed'));
});

test('a seed that is none is refused, not taken for another', () => {
  vi.stubEnv('FC_SEED', 'x');
  expect(() => runs(1, 2)).toThrow('FC_SEED: "x" is no whole number');
});
