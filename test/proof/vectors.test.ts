// The definition of the chain does not change unnoticed: kernels out in the field compute it too.
import { expect, test } from 'vitest';
import { matrixB, products, rowOfA } from '../../src/proof/chain.ts';
import { soaking } from '../properties.ts';
import { prove } from './prover.ts';
import { vectors } from './vectors.ts';

// With coverage on, the largest takes a minute here; an OpenCL device comes to its root in every run.
const affordable = vectors.filter(({ challenge }) => soaking || challenge.size < 1_024);

test.each(affordable)('the root of size $challenge.size', { timeout: 120_000 }, ({ challenge, root }) => {
  expect(prove(challenge).commitment.root.toString('hex')).toBe(root);
});

test('elements are spread evenly, and matrices of different keys differ', () => {
  const [{ challenge }] = vectors as [(typeof vectors)[number]];
  const b = matrixB(challenge);
  const counts = new Int32Array(256);
  for (const element of b) counts[element + 128] = (counts[element + 128] ?? 0) + 1;
  // 64 of each are expected; five standard deviations of a binomial are 40.
  expect(Math.min(...counts)).toBeGreaterThan(24);
  expect(Math.max(...counts)).toBeLessThan(104);
  const same = (first: Int8Array, second: Int8Array) => first.filter((value, index) => value === second[index]).length;
  const row = rowOfA(challenge, 0, 0, undefined);
  expect(same(row, b.subarray(0, 128))).toBeLessThan(8);
  expect(same(row, rowOfA(challenge, 1, 0, new Int32Array(128)))).toBeLessThan(8);
  expect(same(row, rowOfA({ ...challenge, gpu: 'GPU-other' }, 0, 0, undefined))).toBeLessThan(8);
});

test('the root follows from its parts by hand: the smallest size, one round', () => {
  const [{ challenge }] = vectors as [(typeof vectors)[number]];
  const [rows] = products({ ...challenge, rounds: 1 });
  const b = matrixB(challenge);
  const a = rowOfA(challenge, 0, 7, undefined);
  const expected = Array.from({ length: 128 }, (_, column) =>
    a.reduce((sum, value, k) => sum + value * (b[k * 128 + column] as number), 0),
  );
  expect([...(rows?.[7] ?? [])]).toEqual(expected);
});
