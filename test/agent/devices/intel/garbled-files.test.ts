// Intel's cards with files that are missing or garbled: what cannot be read is absent, and the rest stands.
import { expect, test } from 'vitest';
import type { CardFiles } from '../../../fixtures/host/amd-cards.ts';
import { addArcB580, addFlex170, i915Files, xeFiles } from '../../../fixtures/host/intel-cards.ts';
import { watchReadIntel } from './watch-intel.ts';

const all = (files: CardFiles, value: string | undefined): CardFiles =>
  Object.fromEntries(Object.keys(files).map((name) => [name, value]));

const cards = [
  ['Flex 170', addFlex170, i915Files],
  ['Arc B580', addArcB580, xeFiles],
] as const;

test.each(cards)('a %s without any file of its driver', async (_name, add, files) => {
  const { device } = await watchReadIntel((tree) => add(tree, '0000:4d:00.0', all(files, undefined)));
  const { record, readings } = device(0);
  expect(Object.keys(record).filter((name) => name !== 'numaNode')).toEqual([
    'index',
    'uuid',
    'vendor',
    'pci',
    'model',
    'architecture',
    'witnesses',
  ]);
  expect(Object.keys(readings ?? {})).toEqual(['timeMs']);
});

test.each(cards)('a %s whose every file is garbled', async (_name, add, files) => {
  const { device } = await watchReadIntel((tree) => add(tree, '0000:4d:00.0', all(files, '\u0001garbled\n-1')));
  expect(device(0).record).not.toMatchObject({ memory: expect.anything() });
  expect(Object.keys(device(0).readings ?? {})).toEqual(['timeMs']);
});

test('memory of which one tile is not known is not known', async () => {
  const { device } = await watchReadIntel((tree) =>
    addArcB580(tree, '0000:03:00.0', { 'tile1/physical_vram_size_bytes': 'unknown' }),
  );
  expect(device(0).record).not.toHaveProperty('memory');
});

test('tiles are added up, and Intel’s own i915 says it as a whole', async () => {
  const { device } = await watchReadIntel((tree) => {
    addArcB580(tree, '0000:03:00.0', { 'tile1/physical_vram_size_bytes': 4 * 2 ** 30 });
    addFlex170(tree, '0000:4d:00.0', { 'drm/card1/lmem_total_bytes': 14 * 2 ** 30 });
  }, 2);
  expect([device(0), device(1)].map(({ record }) => record.memory?.totalBytes)).toEqual([16 * 2 ** 30, 14 * 2 ** 30]);
});
