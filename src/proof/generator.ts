// The matrices of a challenge, element by element, from its seeds: what a GPU fills its memory with, and what the
// verifier makes again for the few rows that it looks at. By a counter, so that every thread of a kernel can begin
// anywhere; in 32-bit integers, so that every device computes the same.
import { createHash } from 'node:crypto';
import type { Challenge } from './challenge.ts';

/** Three 32-bit words: what tells one matrix from every other. */
export type Key = Uint32Array;

/** Of matrix B, which all challenges of an epoch share. */
export function keyOfB({ epochSeed }: Pick<Challenge, 'epochSeed'>): Key {
  return keyOf('gpubroker proof b v1', epochSeed);
}

/**
 * Of matrix A in each round. In round 0 it is A itself; in later rounds it is mixed into what the round before came to,
 * so that no row of an earlier challenge, nor of a computation before this one, is of any use in any round.
 */
export function keyOfA({ id, gpu, seed }: Pick<Challenge, 'id' | 'gpu' | 'seed'>, round: number): Key {
  return keyOf('gpubroker proof a v1', seed, Buffer.from(`\n${id}\n${gpu}\n${round}`));
}

function keyOf(purpose: string, ...parts: readonly Uint8Array[]): Key {
  const hash = createHash('sha256').update(`${purpose}\n`);
  for (const part of parts) hash.update(part);
  const digest = hash.digest();
  return Uint32Array.from([digest.readUInt32LE(0), digest.readUInt32LE(4), digest.readUInt32LE(8)]);
}

/** Writes a row of the matrix of a key; signed bytes, as many as `into` takes. */
export function fillRow([first = 0, second = 0, third = 0]: Key, row: number, into: Int8Array): void {
  const groups = into.length / 4;
  const start = Math.imul(row, groups);
  for (let group = 0; group < groups; group++) {
    // Four elements, the first in the lowest byte; counted along the rows.
    const four = (mix(mix((start + group + first) | 0) ^ second) + third) | 0;
    const at = group * 4;
    into[at] = four;
    into[at + 1] = four >> 8;
    into[at + 2] = four >> 16;
    into[at + 3] = four >> 24;
  }
}

/**
 * The function "triple32" of the hash prospector (public domain, Chris Wellons): a permutation of 32 bits in which
 * every bit of the result depends on every bit given. Used twice, with a word of the key before, between and after.
 */
function mix(value: number): number {
  let x = value;
  x = Math.imul(x ^ (x >>> 17), 0xed5ad4bb);
  x = Math.imul(x ^ (x >>> 11), 0xac4c1b51);
  x = Math.imul(x ^ (x >>> 15), 0x31848bab);
  return x ^ (x >>> 14);
}
