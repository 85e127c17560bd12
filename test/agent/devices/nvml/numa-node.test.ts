// The NUMA node is the one nearest to the GPU, and absent where the driver names none or several.
import { expect, test } from 'vitest';
import { openSource } from './open-source.ts';

test.each([0, 1, 63, 64, 130])('node %i', (node) => {
  const { driver, source } = openSource();
  driver.update(() => Object.assign(driver.gpu(0), { numaNode: node }));
  expect(source.read(0).numaNode).toBe(node);
});

test('on a machine whose GPUs are NUMA nodes themselves, it is the GPU’s own', () => {
  const { driver, source } = openSource();
  driver.update(() => Object.assign(driver.gpu(0), { numaNode: null, ownNumaNode: 9 }));
  expect(source.read(0).numaNode).toBe(9);
});

test('a driver that names none leaves it absent', () => {
  const { driver, source } = openSource();
  driver.update(() => Object.assign(driver.gpu(0), { numaNode: null }));
  expect(source.read(0)).not.toHaveProperty('numaNode');
});
