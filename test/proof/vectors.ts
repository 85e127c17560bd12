// Challenges with the roots that every implementation must come to: the TypeScript definition, and every kernel.
import { createHash } from 'node:crypto';
import type { Challenge } from '../../src/proof/challenge.ts';

export interface Vector {
  readonly challenge: Challenge;
  /** Hexadecimal. */
  readonly root: string;
}

export const vectors: readonly Vector[] = [
  vector(128, 3, '527573d86deedaa718fac48e32a2d6105cdc99a824f9607cf9d44e5e7d7f302b'),
  vector(512, 2, '2789d4dc1c5b63a61cc2c85cc38ec6eb1d7a125f0b8c6adb72391a5ac518b198'),
  vector(1_024, 2, 'a3b54c55d6023f50afb5b1538b80287c0d9e4220f77ccb5eee40e1aeb8d7dad3'),
];

function vector(size: number, rounds: number, root: string): Vector {
  const seedOf = (name: string) => createHash('sha256').update(`vector ${size} ${name}`).digest();
  const id = `00000000-0000-7000-8000-00000000${String(size).padStart(4, '0')}`;
  return { challenge: { id, gpu: 'GPU-vector', epochSeed: seedOf('b'), seed: seedOf('a'), size, rounds }, root };
}
