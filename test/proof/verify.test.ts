// The verdicts on honest answers and on cheats.
import { createHash, randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { chainOfRow, matrixB, products } from '../../src/proof/chain.ts';
import type { Challenge } from '../../src/proof/challenge.ts';
import { EpochCheck } from '../../src/proof/epoch-check.ts';
import { drawPlaces } from '../../src/proof/places.ts';
import { type Verdict, verify } from '../../src/proof/verify.ts';
import { soaking } from '../properties.ts';
import { open, type Proven, prove } from './prover.ts';

const random = () => randomBytes(4).readUInt32LE();
const epochSeed = randomBytes(32);
const size = 128;
const check = EpochCheck.make(epochSeed, size, random);
const count = 64;

function challenge(rounds = 3, gpu = 'GPU-a'): Challenge {
  return { id: randomBytes(16).toString('hex'), gpu, epochSeed, seed: randomBytes(32), size, rounds };
}

function judge(asked: Challenge, proven: Proven, places = drawPlaces(asked, count, random)): Verdict {
  return verify({ challenge: asked, root: proven.commitment.root, places, openings: open(proven, places) }, check);
}

/** How many of so many tries are refused for this reason. */
function refusals(tries: number, reason: string, cheat: () => Verdict): number {
  return Array.from({ length: tries }, cheat).filter((one) => !one.accepted && one.reason === reason).length;
}

test('an honest answer is accepted, whatever is opened of it', () => {
  const tries = soaking ? 1_000 : 100;
  const asked = challenge();
  const proven = prove(asked);
  for (let count = 0; count < tries; count++) expect(judge(asked, proven)).toEqual({ accepted: true });
});

test('honest answers to many challenges are accepted', { timeout: 600_000 }, () => {
  for (let count = 0; count < (soaking ? 1_000 : 20); count++) {
    const asked = challenge(1 + (count % 4));
    expect(judge(asked, prove(asked))).toEqual({ accepted: true });
  }
});

test('one row in ten left out is found, in more than 99 of 100 tries', () => {
  const asked = challenge();
  const rows = products(asked).map((round) =>
    round.map((row, index) => (index % 10 === 3 ? Int32Array.from(row, (value) => value ^ 1) : row)),
  );
  const proven = prove(asked, rows);
  // A row that was left out spoils the next round too: the chance to miss all of them is below 0.9^64 = 0.12 %.
  expect(refusals(200, 'wrong-product', () => judge(asked, proven))).toBeGreaterThanOrEqual(196);
});

test('one round left out is found', () => {
  const asked = challenge();
  const [first = [], , third = []] = products(asked);
  const proven = prove(asked, [first, first, third]);
  expect(refusals(50, 'wrong-product', () => judge(asked, proven))).toBe(50);
});

test('the work of another seed is found, also where only later rounds are taken from it', () => {
  const stale = challenge(16);
  const old = products(stale);
  const asked = { ...stale, seed: randomBytes(32) };
  expect(refusals(50, 'wrong-product', () => judge(asked, prove(asked, old)))).toBe(50);
  const b = matrixB(asked);
  const fresh = Array.from({ length: size }, (_, row) => chainOfRow({ ...asked, rounds: 1 }, b, row)[0] as Int32Array);
  const spliced = prove(asked, [fresh, ...old.slice(1)]);
  expect(refusals(50, 'wrong-product', () => judge(asked, spliced))).toBe(50);
});

test('what one GPU has answered does not do for another, though all else is the same', () => {
  const first = challenge(3, 'GPU-a');
  const second = { ...first, gpu: 'GPU-b' };
  const proven = prove(first);
  expect(judge(first, proven)).toEqual({ accepted: true });
  expect(refusals(50, 'wrong-product', () => judge(second, proven))).toBe(50);
});

test('rows that were not committed to are refused, right as they may be', () => {
  const asked = challenge();
  const proven = prove(asked);
  const places = drawPlaces(asked, count, random);
  const root = createHash('sha256').update('another').digest();
  const answer = { challenge: asked, root, places, openings: open(proven, places) };
  expect(verify(answer, check)).toMatchObject({ accepted: false, reason: 'not-committed' });
  // Opened in the place of another.
  const shifted = places.map(({ round, row }) => ({ round, row: (row + 1) % size }));
  const moved = { ...answer, root: proven.commitment.root, openings: open(proven, shifted) };
  expect(verify(moved, check)).toMatchObject({ accepted: false, reason: 'not-committed' });
});

test('what is malformed is refused as such', () => {
  const asked = challenge();
  const proven = prove(asked);
  const places = [{ round: 1, row: 5 }];
  const [opening] = open(proven, places);
  if (!opening) throw new Error('nothing was opened');
  const { product } = opening;
  const bad = [
    [],
    [{ ...opening, before: undefined }],
    [{ ...opening, product: { ...product, row: product.row.subarray(1) } }],
    [{ ...opening, product: { ...product, path: product.path.slice(1) } }],
    [{ ...opening, product: { ...product, path: product.path.map((hash) => hash.subarray(1)) } }],
  ];
  for (const openings of bad) {
    const answer = { challenge: asked, root: proven.commitment.root, places, openings };
    expect(verify(answer, check)).toMatchObject({ accepted: false, reason: 'malformed' });
  }
});
