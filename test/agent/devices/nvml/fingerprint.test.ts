// The fingerprint of a check changes with the record, and with nothing else.
import { expect, test } from 'vitest';
import type { FakeGpu } from '../../../fixtures/nvml/fake-driver.ts';
import { openSource } from './open-source.ts';

const changes: [what: string, change: (gpu: FakeGpu) => void][] = [
  ['ECC is switched', (gpu) => Object.assign(gpu, { ecc: { current: 1, pending: 0 } })],
  ['the power limit is set', (gpu) => Object.assign(gpu.power, { enforcedLimit: 500_000 })],
  ['MIG is switched', (gpu) => Object.assign(gpu, { mig: { current: 0, pending: 1, maxInstances: 7, instances: [] } })],
  ['an NVLink goes down', (gpu) => Object.assign(gpu.nvlinks?.[3] ?? {}, { active: 0 })],
];

test.each(changes)('it changes when %s', (_, change) => {
  const { driver, source } = openSource();
  const before = source.check(0).fingerprint;
  driver.update(() => change(driver.gpu(0)));
  expect(source.check(0).fingerprint).not.toBe(before);
});

test('it stays while only readings move', () => {
  const { driver, source } = openSource();
  const before = source.check(0).fingerprint;
  driver.update(() =>
    Object.assign(driver.gpu(0), { temperature: 71, utilization: { gpu: 100, memory: 60, encoder: 0, decoder: 0 } }),
  );
  expect(source.check(0).fingerprint).toBe(before);
});
