// The label of a GPU: every case, by hand.
import { expect, test } from 'vitest';
import { type KnownOfGpu, labelOf } from '../../../src/broker/verification/label.ts';

const day = 86_400_000;
const now = 100 * day;
const lifetime = 7 * day;

const nothing: KnownOfGpu = {
  simulated: false,
  identifiedAt: undefined,
  proof: undefined,
  measurement: undefined,
  sold: false,
};
const passed = (at: number) => ({ proof: { passed: true, at } });
const failed = (at: number) => ({ proof: { passed: false, at } });
const inBand = (at: number) => ({ measurement: { inBand: true, at } });
const outOfBand = (at: number) => ({ measurement: { inBand: false, at } });

test.each<[string, Partial<KnownOfGpu>, string]>([
  ['nothing is known', {}, 'self-reported'],
  ['measured within the band', inBand(now - day), 'measured'],
  ['measured long ago', inBand(now - 99 * day), 'measured'],
  ['measured below the band', outOfBand(now - day), 'self-reported'],
  ['proven', passed(now - day), 'challenge-verified'],
  ['proven and measured', { ...passed(now - day), ...inBand(now - day) }, 'challenge-verified'],
  ['proven, and measured below the band', { ...passed(now - day), ...outOfBand(now) }, 'challenge-verified'],
  ['proven just as long ago as proofs are good for', passed(now - lifetime), 'challenge-verified'],
  ['proven too long ago', passed(now - lifetime - 1), 'self-reported'],
  ['proven too long ago, and measured', { ...passed(now - 8 * day), ...inBand(now - 9 * day) }, 'measured'],
  ['proven too long ago, but sold since', { ...passed(now - 30 * day), sold: true }, 'challenge-verified'],
  ['failed', failed(now - day), 'self-reported'],
  ['failed, and measured before', { ...failed(now - day), ...inBand(now - 2 * day) }, 'self-reported'],
  ['failed, and measured since', { ...failed(now - 2 * day), ...inBand(now - day) }, 'self-reported'],
  ['failed long ago, and measured since', { ...failed(now - 99 * day), ...inBand(now) }, 'self-reported'],
  ['failed while it is sold', { ...failed(now - day), ...inBand(now), sold: true }, 'self-reported'],
  ['another card since the proof', { ...passed(now - 2 * day), identifiedAt: now - day }, 'self-reported'],
  ['another card, which was proven', { ...passed(now - day), identifiedAt: now - 2 * day }, 'challenge-verified'],
  ['another card while it is sold', { ...passed(now - 2 * day), identifiedAt: now, sold: true }, 'self-reported'],
  ['another card since the measurement', { ...inBand(now - 2 * day), identifiedAt: now - day }, 'self-reported'],
  ['another card, which was measured', { ...inBand(now - day), identifiedAt: now - 2 * day }, 'measured'],
  [
    'another card since a failed proof, measured',
    { ...failed(now - 3 * day), ...inBand(now), identifiedAt: now - day },
    'self-reported',
  ],
  ['simulated', { simulated: true }, 'simulated'],
  ['simulated, and proven', { simulated: true, ...passed(now), ...inBand(now) }, 'simulated'],
  ['simulated, and failed', { simulated: true, ...failed(now) }, 'simulated'],
])('%s', (_case, known, label) => {
  expect(labelOf({ ...nothing, ...known }, now, lifetime)).toBe(label);
});
