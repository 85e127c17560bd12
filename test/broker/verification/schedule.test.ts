// When whose GPUs are challenged: at random, soon when new, and often enough for large providers.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Load, Schedule, soon } from '../../../src/broker/verification/schedule.ts';
import { runs } from '../../properties.ts';

const interval = 24 * 3_600_000;
const old: Load = { nodes: 1, isNew: false };

function schedule(random: () => number) {
  return new Schedule({ interval, nodesOfRound: 16, random });
}

/** When the only provider is due next, by halving. */
function dueAt(of: Schedule, load: Load, from: number): number {
  let [early, late] = [from, from + 4 * interval];
  while (late - early > 1) {
    const middle = Math.floor((early + late) / 2);
    if (of.due(middle, new Map([['p', load]])).length > 0) late = middle;
    else early = middle;
  }
  return late;
}

test('waits are exponential about the interval, and no longer than three of them', () => {
  fc.assert(
    fc.property(fc.double({ min: 0.001, max: 0.9999999, noNaN: true }), (drawn) => {
      const expected = Math.min(-Math.log(1 - drawn), 3) * interval;
      const random = schedule(() => drawn);
      random.due(0, new Map([['p', old]]));
      expect(dueAt(random, old, 0)).toBeCloseTo(expected, -1);
    }),
    runs(50, 5_000),
  );
});

test('a provider of more nodes than a round takes is due as often more', () => {
  const random = schedule(() => 1 - 1 / Math.E);
  const load = { nodes: 160, isNew: false };
  random.due(0, new Map([['p', load]]));
  expect(dueAt(random, load, 0)).toBeCloseTo(interval / 10, -1);
});

test('what is new is due within minutes, and hurries nobody twice', () => {
  const random = schedule(() => 0.9);
  const load = { nodes: 1, isNew: true };
  expect(random.due(0, new Map([['p', load]]))).toEqual([]);
  expect(random.due(0.89 * soon, new Map([['p', load]]))).toEqual([]);
  expect(random.due(0.91 * soon, new Map([['p', load]]))).toEqual(['p']);
});

test('one stays due until its round begins, and is forgotten when it has nothing left', () => {
  const random = schedule(() => 0.5);
  random.due(0, new Map([['p', old]]));
  expect(random.due(interval, new Map([['p', old]]))).toEqual(['p']);
  expect(random.due(interval, new Map([['p', old]]))).toEqual(['p']);
  random.began('p', interval, old);
  expect(random.due(interval, new Map([['p', old]]))).toEqual([]);
  expect(random.due(9 * interval, new Map())).toEqual([]);
  expect(random.due(9 * interval, new Map([['p', old]]))).toEqual([]);
});
