// How property tests run: one seed for all, and more runs in the soak.
import type { Parameters } from 'fast-check';

/** Set by `make soak`. */
export const soaking = process.env.SOAK === '1';

/** The parameters of a property that runs `runs` times in `make test` and `soakRuns` times in `make soak`. */
export function runs<T>(runs: number, soakRuns: number): Parameters<T> {
  // Set in vitest.config.ts.
  const seed = Number(process.env.FC_SEED);
  if (!Number.isInteger(seed)) throw new Error(`FC_SEED: "${process.env.FC_SEED}" is no whole number`);
  return { seed, numRuns: soaking ? soakRuns : runs, verbose: 1 };
}
