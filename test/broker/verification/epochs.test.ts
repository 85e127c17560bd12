// Epochs: one seed a day and size, and the one before for as long as its sessions may last.
import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { Epochs, epochLength, longestSession } from '../../../src/broker/verification/epochs.ts';

function epochs() {
  const clock = { now: 1_000 };
  const random = () => randomBytes(4).readUInt32LE();
  return { clock, epochs: new Epochs({ clock: () => clock.now, randomBytes, random }) };
}

test('a size has one seed for a day, and then another', () => {
  const { clock, epochs: kept } = epochs();
  const seed = kept.seed(128);
  clock.now += epochLength - 1;
  expect(kept.seed(128)).toBe(seed);
  expect(kept.seed(256)).not.toEqual(seed);
  clock.now += 1;
  expect(kept.seed(128)).not.toEqual(seed);
});

test('what was prepared for the epoch before is kept while a session of it may last', () => {
  const { clock, epochs: kept } = epochs();
  const seed = kept.seed(128);
  const check = kept.check(128, seed);
  expect(check?.size).toBe(128);
  clock.now += epochLength;
  const next = kept.seed(128);
  expect(kept.check(128, Uint8Array.from(seed))).toBe(check);
  clock.now += longestSession;
  expect(kept.check(128, seed)).toBeUndefined();
  expect(kept.check(128, next)).toBeDefined();
});

test('a seed is of its size', () => {
  const { epochs: kept } = epochs();
  const seed = kept.seed(128);
  expect(kept.check(256, seed)).toBeUndefined();
  expect(kept.check(128, randomBytes(32))).toBeUndefined();
});
