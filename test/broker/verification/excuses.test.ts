// What silence counts for: nobody escapes a verdict by hanging up, and nobody fails because the GPU was sold.
import { expect, test } from 'vitest';
import { type GpuNow, mostInterruptions, weigh } from '../../../src/broker/verification/excuses.ts';
import type { SessionEnd } from '../../../src/broker/verification/session.ts';

const free: GpuNow = { sold: false, occupied: false };

function ended(state: SessionEnd['state'], reason?: string): SessionEnd {
  const plan = { size: 128, rounds: 1, places: 1, expectedMs: 1, slowestMs: 2, fastestMs: 0 };
  const gpu = { gpuId: 'g', name: 'g', product: 'X', plan };
  const at = new Date(0);
  return { gpu, id: 'p', at, state, reason, message: 'why', answerMs: undefined, verdictSeconds: 0, evidence: {} };
}

/** The states that the same end comes to, so many times in a row. */
function inARow(times: number, end: SessionEnd, now: GpuNow): string[] {
  let interruptions = 0;
  return Array.from({ length: times }, () => {
    const weighed = weigh(end, now, interruptions);
    interruptions = weighed.interruptions;
    return weighed.end.state;
  });
}

const times = (count: number, state: string) => Array.from({ length: count }, () => state);

test.each(['gone', 'refused', 'silent'])('%s while the GPU is sold is excused for ever', (reason) => {
  expect(inARow(20, ended('broken-off', reason), { ...free, sold: true })).toEqual(times(20, 'not-now'));
});

test('silence of a node that is connected fails at once', () => {
  const { end } = weigh(ended('broken-off', 'silent'), { ...free, occupied: true }, 0);
  expect(end).toMatchObject({ state: 'failed', reason: 'no-answer', message: 'why' });
});

test('a refusal fails at once, unless a pod or a process is there; and then the third time', () => {
  expect(inARow(1, ended('broken-off', 'refused'), free)).toEqual(['failed']);
  const states = inARow(2 * mostInterruptions, ended('broken-off', 'refused'), { ...free, occupied: true });
  expect(states).toEqual(['not-now', 'not-now', 'failed', 'not-now', 'not-now', 'failed']);
});

test('whoever hangs up fails the third time in a row', () => {
  expect(inARow(mostInterruptions, ended('broken-off', 'gone'), free)).toEqual(['not-now', 'not-now', 'failed']);
});

test('a verdict ends the row', () => {
  for (const state of ['passed', 'failed', 'unsupported'] as const) {
    expect(weigh(ended(state), free, 2)).toEqual({ end: ended(state), interruptions: 0 });
  }
});

test('a GPU that was not ready stays what it is, and its row too', () => {
  expect(weigh(ended('not-now', 'busy'), free, 2)).toEqual({ end: ended('not-now', 'busy'), interruptions: 2 });
});
