// The table of references names products that exist, and says which it knows nothing of.
import { expect, test } from 'vitest';
import { products } from '../../src/broker/registry/products/products.ts';
import { referenceOf, references } from '../../src/score/reference.ts';

test('every row is of a product, whose memory it agrees on', () => {
  const memory = new Map(products.map(({ id, memoryGb }) => [id, memoryGb]));
  expect(references.map(({ product }) => product).filter((product) => !memory.has(product))).toEqual([]);
  for (const { product, memoryGb } of references) expect([product, memoryGb]).toEqual([product, memory.get(product)]);
});

test('the products of which nothing is known are these', () => {
  expect(products.map(({ id }) => id).filter((id) => !referenceOf(id))).toEqual([
    'H100-SXM5-94GB',
    'A10G-PCIE-24GB',
    'V100-SXM2-16GB',
    'V100-SXM2-32GB',
    'V100-PCIE-16GB',
    'V100-PCIE-32GB',
  ]);
});

test('what units do at the boost clock is the peak of fp32', () => {
  // Lanes of a unit, each with a product and a sum a clock. B200's data sheet is 7 % above that.
  for (const { product, peaks, units, boostMhz } of references) {
    const lanes = (peaks.fp32 * 1e6) / (units * boostMhz * 2);
    const nearest = [64, 128].find((count) => Math.abs(lanes / count - 1) < 0.08);
    expect([product, nearest]).toEqual([product, expect.any(Number)]);
  }
});

test('what was measured is below the peak', () => {
  for (const { peaks, measured } of references) {
    for (const name of ['fp32', 'memory-bandwidth'] as const) {
      expect((measured[name] ?? 0) / peaks[name]).toBeLessThan(1);
    }
  }
});

test('a simulated GPU is held against the model that it plays', () => {
  expect(referenceOf('SIM-H100-SXM5-80GB')).toBe(referenceOf('H100-SXM5-80GB'));
  expect(referenceOf('H100-SXM5-80GB')).toMatchObject({ peaks: { int8: 1979 }, units: 132, memoryGb: 80 });
});

test('an instance of a GPU has no row', () => {
  expect(referenceOf('H100-SXM5-80GB-MIG-1g.10gb')).toBeUndefined();
  expect(referenceOf('of-no-product')).toBeUndefined();
});
