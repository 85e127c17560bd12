// The chain of products that a challenge asks for, by rows: each row of a round follows from the same row of the round
// before and from all of B. This is the definition; kernels compute the same faster, and are tested against it.
import { type Challenge, checkChallenge } from './challenge.ts';
import { fillRow, keyOfA, keyOfB } from './generator.ts';

/** All rows of B, one after the other. */
export function matrixB(challenge: Challenge): Int8Array {
  const { size } = challenge;
  const matrix = new Int8Array(size * size);
  const key = keyOfB(challenge);
  for (let row = 0; row < size; row++) fillRow(key, row, matrix.subarray(row * size, (row + 1) * size));
  return matrix;
}

/**
 * A row of A in a round.
 *
 * @param before the same row of the product of the round before; undefined in round 0
 * @param made memory for it
 */
export function rowOfA(
  challenge: Challenge,
  round: number,
  row: number,
  before: Int32Array | undefined,
  made: Int8Array = new Int8Array(challenge.size),
): Int8Array {
  fillRow(keyOfA(challenge, round), row, made);
  // The middle bits of the product: its lowest follow from few of the factors.
  if (before) mixIn(made, before);
  return made;
}

/** Elements are read where they are used: by one function for arrays of all kinds, this loop took twice as long. */
function mixIn(made: Int8Array, before: Int32Array): void {
  for (let column = 0; column < made.length; column++) {
    made[column] = (made[column] as number) ^ ((before[column] as number) >> 8);
  }
}

/** A row of A times B, exactly. */
export function rowTimesB(row: Int8Array, b: Int8Array): Int32Array {
  const size = row.length;
  const product = new Int32Array(size);
  for (let k = 0; k < size; k++) {
    const factor = at(row, k);
    const start = k * size;
    for (let column = 0; column < size; column++)
      product[column] = at(product, column) + factor * at(b, start + column);
  }
  return product;
}

/** One row of the products of all rounds. */
export function chainOfRow(challenge: Challenge, b: Int8Array, row: number): Int32Array[] {
  const products: Int32Array[] = [];
  for (let round = 0; round < challenge.rounds; round++) {
    products.push(rowTimesB(rowOfA(challenge, round, row, products[round - 1]), b));
  }
  return products;
}

/** All products, by round and row. For sizes of tests: a size of 1,024 takes seconds for each round. */
export function products(challenge: Challenge): Int32Array[][] {
  checkChallenge(challenge);
  const b = matrixB(challenge);
  const chains = Array.from({ length: challenge.size }, (_, row) => chainOfRow(challenge, b, row));
  return Array.from({ length: challenge.rounds }, (_, round) => chains.map((chain) => chain[round] as Int32Array));
}

function at(values: Int8Array | Int32Array, index: number): number {
  return values[index] as number;
}
