// AMD's cards with files that are missing or garbled: what cannot be read is absent, and the rest stands.
import { expect, test } from 'vitest';
import { addMi300x, addRadeon, type CardFiles, mi300xFiles, radeonFiles } from '../../../fixtures/host/amd-cards.ts';
import { watchReadAmd } from './watch-amd.ts';

/** Every file but the driver's name and what says that this is a card of its own. */
function all(files: CardFiles, value: string | undefined): CardFiles {
  const names = Object.keys(files).filter((name) => name !== 'board_info');
  return Object.fromEntries(names.map((name) => [name, value]));
}

const cards = [
  ['MI300X', addMi300x, mi300xFiles],
  ['Radeon', addRadeon, radeonFiles],
] as const;

test.each(cards)('a %s without any file of its driver', async (_name, add, files) => {
  const { device, states } = await watchReadAmd((tree) => {
    add(tree, '0000:85:00.0', all(files, undefined));
    tree.remove('sys/class/kfd');
    tree.remove('sys/module/amdgpu');
  });
  expect(states()).toEqual(['ok']);
  const { record, readings } = device(0);
  expect(Object.keys(record).filter((name) => name !== 'numaNode')).toEqual([
    'index',
    'uuid',
    'vendor',
    'pci',
    'model',
    'witnesses',
  ]);
  expect(record.uuid).toMatch(/^PCI-[0-9a-f]{16}$/);
  expect(Object.keys(readings ?? {})).toEqual(['timeMs']);
});

test.each(cards)('a %s whose every file is garbled', async (_name, add, files) => {
  const { device, states } = await watchReadAmd((tree) =>
    add(tree, '0000:85:00.0', all(files, '\u0001\uFFFDgarbled\n-1')),
  );
  expect(states()).toEqual(['ok']);
  expect(device(0).record).not.toMatchObject({ memory: expect.anything() });
  expect(device(0).record.uuid).toMatch(/^PCI-/);
  expect(Object.keys(device(0).readings ?? {})).toEqual(['timeMs']);
});

test.each<[name: string, files: CardFiles, reading: string]>([
  ['101 percent', { gpu_busy_percent: 101 }, 'utilizationPercent'],
  ['minus one percent', { gpu_busy_percent: -1 }, 'utilizationPercent'],
  ['a temperature of 65 million degrees', { 'hwmon/hwmon4/temp2_input': 65_535_000 }, 'temperatureCelsius'],
  ['no power at all', { 'hwmon/hwmon4/power1_input': 0 }, 'powerMilliwatts'],
  ['error counts without numbers', { 'ras/umc_err_count': 'ue: ?\nce:' }, 'eccErrors'],
  ['bad pages in another format', { 'ras/gpu_vram_bad_pages': '1 2 3' }, 'retiredPages'],
])('%s is no reading', async (_name, files, reading) => {
  const { device } = await watchReadAmd((tree) => addMi300x(tree, '0000:85:00.0', files));
  expect(device(0).readings).not.toHaveProperty(reading);
});

test('a clock without a sensor is the level that is starred', async () => {
  const { device } = await watchReadAmd((tree) =>
    addMi300x(tree, '0000:85:00.0', { 'hwmon/hwmon4/freq2_input': undefined }),
  );
  expect(device(0).readings).toMatchObject({ memoryMhz: 1300 });
});
