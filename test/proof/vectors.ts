// Challenges with the roots that every implementation must come to: the TypeScript definition, and every kernel.
import { createHash } from 'node:crypto';
import type { Challenge } from '../../src/proof/challenge.ts';

export interface Vector {
  readonly challenge: Challenge;
  /** Hexadecimal. */
  readonly root: string;
}

export const vectors: readonly Vector[] = [
  vector(128, 3, '956f3f86d8f763d1b9c2d432fde59d0ab143e82d27f415dcf458f9b0d6bddda1'),
  vector(512, 2, 'd07bd34664feea219a1dc0466d25e29b1683ebbb7af2fe29d99fa5740355b561'),
  vector(1_024, 2, '3eeaba63298bb1f5a74d2b5642f36caac3e3cd86503351f9151362c04f5f65bc'),
];

function vector(size: number, rounds: number, root: string): Vector {
  const seedOf = (name: string) => createHash('sha256').update(`vector ${size} ${name}`).digest();
  const id = `00000000-0000-7000-8000-00000000${String(size).padStart(4, '0')}`;
  return { challenge: { id, gpu: 'GPU-vector', epochSeed: seedOf('b'), seed: seedOf('a'), size, rounds }, root };
}
