// What a challenge may ask for, and which places: what is not allowed is named.
import { expect, test } from 'vitest';
import { type Challenge, checkChallenge, checkPlaces } from '../../src/proof/challenge.ts';
import { openingBytes } from '../../src/proof/verify.ts';

const seeds = { epochSeed: new Uint8Array(32), seed: new Uint8Array(32) };
const fine: Challenge = { id: 'a', gpu: 'GPU-a', ...seeds, size: 65_536, rounds: 1_024 };
const many = (count: number) => Array.from({ length: count }, () => ({ round: 0, row: 0 }));

test('the largest that is allowed', () => {
  expect(() => checkChallenge(fine)).not.toThrow();
  expect(() => checkPlaces({ size: 16_384, rounds: 1 }, many(4_096))).not.toThrow();
  expect(() => checkPlaces(fine, many(1_024))).not.toThrow();
  expect(() => checkPlaces(fine, [{ round: 1_023, row: 65_535 }])).not.toThrow();
});

test.each([
  [{ size: 65_664 }, 'size: 65664 is not allowed; a multiple of 128 from 128 to 65536 is'],
  [{ size: 129 }, 'size: 129 is not allowed'],
  [{ rounds: 1.5 }, 'rounds: 1.5 is not allowed; 1 to 1024 are'],
  [{ seed: new Uint8Array(31) }, 'seed: 31 bytes; 32 are allowed'],
  [{ gpu: '' }, 'gpu: 1 to 128 characters are allowed'],
])('a challenge with %o', (wrong, refusal) => {
  expect(() => checkChallenge({ ...fine, ...wrong })).toThrow(refusal);
});

test.each([
  // Of this size 1,024 places come to 512 MiB.
  [many(1_025), 'places: 1025 are not allowed; 1 to 1024 are'],
  [[], 'places: 0 are not allowed'],
  [[{ round: -1, row: 0 }], 'round: -1 is not allowed; 0 to 1023 are'],
  [[{ round: 0, row: 65_536 }], 'row: 65536 is not allowed; 0 to 65535 are'],
  [[{ round: 0, row: 0.5 }], 'row: 0.5 is not allowed'],
])('places that are not there, or too many', (places, refusal) => {
  expect(() => checkPlaces(fine, places)).toThrow(refusal);
});

test('the bytes of an opening are two rows with their ways to the root', () => {
  // 384 rows: three levels of nodes, with 15 hashes beside the way in each.
  expect(openingBytes({ size: 128, rounds: 3 })).toBe(2 * (128 * 4 + 3 * 15 * 32));
});
