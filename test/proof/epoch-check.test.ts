// The check of a product against its factors: always true for the right one, and wrong for any other.
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { matrixB, rowTimesB } from '../../src/proof/chain.ts';
import { EpochCheck, modulus } from '../../src/proof/epoch-check.ts';
import { runs } from '../properties.ts';

const size = 256;
const epochSeed = randomBytes(32);
const check = EpochCheck.make(epochSeed, size, () => randomBytes(4).readUInt32LE());
const b = matrixB({ id: 'a', gpu: 'b', seed: randomBytes(32), epochSeed, size, rounds: 1 });
const rowOfBytes = fc.int8Array({ minLength: size, maxLength: size });

test('holds for every product, extreme ones too', () => {
  const extremes = [-128, 127, 0].map((value) => new Int8Array(size).fill(value));
  for (const row of extremes) expect(check.holds(row, rowTimesB(row, b))).toBe(true);
  fc.assert(
    fc.property(rowOfBytes, (row) => check.holds(row, rowTimesB(row, b))),
    runs(200, 5_000),
  );
});

test('holds for none that differs in one element', () => {
  const place = fc.nat(size - 1);
  const difference = fc.integer({ min: -(2 ** 20), max: 2 ** 20 }).filter((value) => value % modulus !== 0);
  fc.assert(
    fc.property(rowOfBytes, place, difference, (row, column, by) => {
      const product = rowTimesB(row, b);
      product[column] = (product[column] as number) + by;
      return !check.holds(row, product);
    }),
    runs(200, 5_000),
  );
});

test('is exact where sums are largest: whole 32-bit values', () => {
  const zero = new Int8Array(size);
  // 0 · B = 0, and a multiple of the modulus is no other residue.
  expect(check.holds(zero, new Int32Array(size))).toBe(true);
  expect(check.holds(zero, new Int32Array(size).fill(modulus * 31))).toBe(true);
  expect(check.holds(zero, new Int32Array(size).fill(-modulus * 32))).toBe(true);
  expect(check.holds(zero, new Int32Array(size).fill(2 ** 31 - 1))).toBe(false);
});

test('rows of another length hold for nothing', () => {
  expect(check.holds(new Int8Array(size - 4), new Int32Array(size))).toBe(false);
  expect(check.holds(new Int8Array(size), new Int32Array(size - 4))).toBe(false);
});
