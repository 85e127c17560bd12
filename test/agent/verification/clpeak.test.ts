// Our figures beside those of clpeak, which others wrote, on a kernel of the same shape: the same device cannot be several
// times as fast for one of the two.
import { expect } from 'vitest';
import { type PeerTest, type Round, takeRound } from '../../../bench/node/clpeak-rounds.ts';
import { medianOf } from '../../../src/score/figures.ts';
import { testWith } from '../../capabilities.ts';

const test = testWith('opencl', 'clpeak');

/** What else the machine does hits one of the two at a time: then more rounds are taken, and their medians count. */
const mostRounds = 5;

test.each<[string, PeerTest]>([
  ['fp32, one chain', 'compute-sp'],
  ['memory-bandwidth', 'global-bandwidth'],
])('%s is within 0.4 and 2.5 of clpeak --%s', { timeout: 600_000 }, async (name, peerTest) => {
  const taken: Round[] = [];
  let ratio = Number.NaN;
  while (taken.length < mostRounds && !(ratio >= 0.4 && ratio <= 2.5)) {
    taken.push(...(await takeRound(peerTest, name)));
    ratio = medianOf(taken.map(({ ours }) => ours)) / medianOf(taken.map(({ theirs }) => theirs));
  }
  expect(ratio).toBeGreaterThanOrEqual(0.4);
  expect(ratio).toBeLessThanOrEqual(2.5);
});
