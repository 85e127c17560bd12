// A finding that comes and goes is held for longer each time, and not for ever.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HoldDown } from '../../../src/agent/health/hold-down.ts';
import { newBook } from './looks.ts';

const longest = 30 * 60_000;

/** How long it is held after it was seen once, in milliseconds, in steps of a second. */
function heldFor(clock: { now: number }, hold: HoldDown): number {
  const from = clock.now;
  hold.see();
  while (hold.holds()) clock.now += 1_000;
  return clock.now - from;
}

test('twice as long each time that it returns at once, up to half an hour', () => {
  const clock = { now: 0 };
  const hold = new HoldDown(() => clock.now);
  const seconds = Array.from({ length: 8 }, () => heldFor(clock, hold) / 1_000);
  expect(seconds).toEqual([30, 60, 120, 240, 480, 960, 1_800, 1_800]);
});

test('after a long calm it starts over', () => {
  const clock = { now: 0 };
  const hold = new HoldDown(() => clock.now);
  heldFor(clock, hold);
  heldFor(clock, hold);
  clock.now += longest + 1;
  expect(heldFor(clock, hold)).toBe(30_000);
});

test('it holds at least 30 s and at most half an hour after it was seen, whatever the pattern', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 200_000 }), { maxLength: 100 }), (pauses) => {
      const clock = { now: 0 };
      const hold = new HoldDown(() => clock.now);
      for (const pause of pauses) {
        hold.see();
        const seenAt = clock.now;
        clock.now = seenAt + 29_999;
        expect(hold.holds()).toBe(true);
        clock.now = seenAt + longest;
        expect(hold.holds()).toBe(false);
        clock.now = seenAt + pause;
      }
    }),
  );
});

test('a GPU that is hot now and then does not flap', () => {
  const { look, found } = newBook();
  const record = { temperatureLimits: { slowdownCelsius: 87 } };
  const changes: boolean[] = [];
  for (let i = 0; i < 120; i += 1) {
    look({ record, readings: { temperatureCelsius: i % 4 === 0 ? 88 : 80 } });
    const degraded = found().length > 0;
    if (degraded !== changes.at(-1)) changes.push(degraded);
  }
  expect(changes).toEqual([true]);
  look({ record, after: 31_000 });
  expect(found()).toEqual([]);
});
