// The memory of cards whose driver does not say it, asked of Level Zero: a real library behind real foreign calls.
import { beforeEach, expect, test } from 'vitest';
import { addArcB580, addFlex170 } from '../../../fixtures/host/intel-cards.ts';
import { buildFakeLevelZero } from '../../../fixtures/level-zero/build.ts';
import { watchReadIntel } from './watch-intel.ts';

beforeEach(() => {
  delete process.env.ZE_FAKE_CARDS;
});

async function memoryOf(cards: string, library: string) {
  process.env.ZE_FAKE_CARDS = cards;
  const { device } = await watchReadIntel((tree) => addFlex170(tree, '0000:4d:00.0'), 1, library);
  return device(0).record.memory?.totalBytes;
}

test.each<[what: string, cards: string, bytes: number | undefined]>([
  ['the memory of the card', '4d=c15032385536', 15_032_385_536],
  ['its tiles added up', '4d=t8589934592,t8589934592', 17_179_869_184],
  ['the card, not its tiles once more', '4d=c17179869184,t8589934592,t8589934592', 17_179_869_184],
  ['nothing of the machine’s memory', '4d=s68719476736,c15032385536', 15_032_385_536],
  ['what can be allocated, where the size is not known', '4d=u14000000000', 14_000_000_000],
  ['nothing of another card', '5d=c15032385536', undefined],
  ['nothing where no memory is listed', '4d', undefined],
  ['nothing where there is no card', '', undefined],
])('%s', async (_what, cards, bytes) => {
  expect(await memoryOf(cards, buildFakeLevelZero())).toBe(bytes);
});

test('a library from before zesInit', async () => {
  expect(await memoryOf('4d=c15032385536', buildFakeLevelZero('legacy'))).toBe(15_032_385_536);
});

test('a library that is something else', async () => {
  expect(await memoryOf('4d=c15032385536', 'libc.so.6')).toBeUndefined();
});

test('is not asked where every driver says it', async () => {
  process.env.ZE_FAKE_CARDS = '3=c1000000000000';
  const { device } = await watchReadIntel((tree) => addArcB580(tree, '0000:03:00.0'), 1, buildFakeLevelZero());
  expect(device(0).record.memory?.totalBytes).toBe(12 * 2 ** 30);
});
