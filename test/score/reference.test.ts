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
    'H200-NVL-141GB',
    'H100-SXM5-94GB',
    'H100-NVL-94GB',
    'A100-PCIE-40GB',
    'A30-PCIE-24GB',
    'A40-PCIE-48GB',
    'A10G-PCIE-24GB',
    'L40-PCIE-48GB',
    'V100-SXM2-16GB',
    'V100-SXM2-32GB',
    'V100-PCIE-16GB',
    'V100-PCIE-32GB',
    'RTX-A6000-PCIE-48GB',
    'RTX-6000-ADA-PCIE-48GB',
    'RTX-5090-PCIE-32GB',
    'MI325X-OAM-256GB',
    'MI210-PCIE-64GB',
  ]);
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
