// The table of models and the broker's table of products were written apart; what both know they must agree on.
import { expect, test } from 'vitest';
import { examine } from '../../../src/agent/identity/checks.ts';
import { knownModels } from '../../../src/agent/identity/models.ts';
import { products } from '../../../src/broker/registry/products/products.ts';

const cards = products.flatMap(({ id, vendor, names, memoryGb, pci }) =>
  pci.flatMap(({ device }) => names.map((name) => ({ id, vendor, name, memoryGb, device }))),
);

test.each(cards)('$id as $name', ({ vendor, name: model, memoryGb, device }) => {
  expect(knownModels.has(device)).toBe(true);
  const memory = { totalBytes: memoryGb * 2 ** 30 };
  const record = {
    index: 0,
    uuid: 'GPU-1',
    vendor,
    model,
    memory,
    pci: { busId: '00000000:01:00.0', deviceId: device },
  };
  const found = examine(record, []).filter(({ witness }) => witness === 'pci-id-table');
  expect(found.map(({ check, verdict }) => [check, verdict])).toEqual([
    ['model', 'agrees'],
    ['memory', 'agrees'],
  ]);
});
