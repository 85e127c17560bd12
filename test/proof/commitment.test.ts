// The tree of a commitment, built once more by hand.
import { createHash, randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { Commitment, hashOfRow, isCommitted, pathLengthOf } from '../../src/proof/commitment.ts';

const challenge = { id: 'x', gpu: 'GPU-a', epochSeed: randomBytes(32), seed: randomBytes(32), size: 128, rounds: 3 };
const rows = Array.from({ length: 3 * 128 }, (_, index) => new Int32Array(128).fill(index));
const leaves = rows.map(hashOfRow);
const commitment = new Commitment(challenge, Buffer.concat(leaves));

const sha = (...parts: readonly Buffer[]) => createHash('sha256').update(Buffer.concat(parts)).digest();
const zeros = (count: number) => Buffer.alloc(count * 32);

test('a node is the hash of sixteen, with zeros where there are fewer', () => {
  const second = Array.from({ length: 24 }, (_, group) => sha(...leaves.slice(group * 16, (group + 1) * 16)));
  const third = [sha(...second.slice(0, 16)), sha(...second.slice(16), zeros(8))];
  expect(commitment.root).toEqual(sha(...third, zeros(14)));
});

test('every row is found at its place, and at no other', () => {
  for (const [index, row] of rows.entries()) {
    const place = { round: Math.floor(index / 128), row: index % 128 };
    const path = commitment.path(place);
    expect(path).toHaveLength(pathLengthOf(challenge));
    expect(isCommitted(challenge, commitment.root, place, row, path)).toBe(true);
    const other = { round: place.round, row: (place.row + 1 + (index % 127)) % 128 };
    expect(isCommitted(challenge, commitment.root, other, row, path)).toBe(false);
  }
});

test('a way that is too short or too long leads nowhere', () => {
  const place = { round: 1, row: 7 };
  const path = commitment.path(place);
  const row = rows[128 + 7] as Int32Array;
  expect(isCommitted(challenge, commitment.root, place, row, path.slice(0, -15))).toBe(false);
  expect(isCommitted(challenge, commitment.root, place, row, [...path, ...path.slice(-15)])).toBe(false);
});
