// A session with one node: honest answers pass, and every cheat is found, with its reason.

import pino from 'pino';
import { afterAll, expect, test } from 'vitest';
import { Refusal } from '../../../src/broker/refusal.ts';
import type { ChallengePlan } from '../../../src/broker/verification/challenge-plan.ts';
import { NodeSession, type SessionEnd } from '../../../src/broker/verification/session.ts';
import { createVerifier } from '../../../src/broker/verification/verifier.ts';
import { products } from '../../../src/proof/chain.ts';
import type { Challenge } from '../../../src/proof/challenge.ts';
import { type Conduct, provingNode, sessionTools, VirtualTime } from '../../fixtures/proving-node.ts';
import { open, type Proven, prove } from '../../proof/prover.ts';
import { soaking } from '../../properties.ts';

const plan: ChallengePlan = { size: 128, rounds: 3, places: 48, expectedMs: 100, slowestMs: 160, fastestMs: 20 };
const verifier = createVerifier({ log: pino({ level: 'silent' }), random: Math.random });
afterAll(() => verifier.close());

async function challenge(names: readonly string[], conduct: Conduct = {}, plans: readonly ChallengePlan[] = [plan]) {
  const time = new VirtualTime();
  const node = provingNode(time, conduct);
  const gpus = names.map((name, index) => {
    return { gpuId: `id-of-${name}`, name, product: 'X', plan: plans[index % plans.length] as ChallengePlan };
  });
  const session = new NodeSession('node', gpus, sessionTools(time, verifier, node.ask));
  await session.prepare();
  const ends = await session.run();
  return { ends, asked: node.asked };
}

async function endOf(conduct: Conduct): Promise<SessionEnd> {
  const { ends } = await challenge(['a'], conduct);
  return ends[0] as SessionEnd;
}

const failedFor = (reason: string) => expect.objectContaining({ state: 'failed', reason });

test('honest GPUs pass, with the evidence that another could judge by', async () => {
  const { ends, asked } = await challenge(['a', 'b']);
  expect(ends.map(({ state }) => state)).toEqual(['passed', 'passed']);
  const [first] = ends as [SessionEnd];
  expect(first).toMatchObject({ answerMs: 100, message: 'answered within 100 ms' });
  expect(first.evidence).toMatchObject({
    product: 'X',
    plan: { size: 128, rounds: 3, places: 48, slowest_ms: 160 },
    gpus_at_once: 2,
    answer_ms: 100,
    too_fast: false,
    device_ms: 100,
    root: expect.stringMatching(/^[0-9a-f]{64}$/),
    seed: expect.stringMatching(/^[0-9a-f]{64}$/),
    places: expect.objectContaining({ length: 48 }),
    conditions: { readings: 2, throttle_bits: 0, sm_mhz: [1_700, 1_755] },
  });
  expect(first.evidence.seed).not.toBe(ends[1]?.evidence.seed);
  expect(asked.map(({ step }) => step).filter((step) => step !== 'rows')).toEqual([
    'prepare',
    'begin',
    'begin',
    'open',
    'open',
    'end',
  ]);
});

test(`honest runs pass, ${soaking ? 1_000 : 25} of as many`, { timeout: 600_000 }, async () => {
  for (let run = 0; run < (soaking ? 1_000 : 25); run++) expect((await endOf({})).state).toBe('passed');
});

test('where the time of a product is assumed, a late answer proves nothing, and a hopeless one fails', async () => {
  const assumed = [{ ...plan, undecidedMs: 500 }];
  const endAfter = async (workMs: number) => (await challenge(['a'], { workMs }, assumed)).ends[0];
  expect(await endAfter(160)).toMatchObject({ state: 'passed' });
  expect(await endAfter(161)).toMatchObject({ state: 'unsupported', reason: 'slower-than-assumed', answerMs: 161 });
  expect(await endAfter(500)).toMatchObject({ state: 'unsupported', evidence: { plan: { undecided_ms: 500 } } });
  expect(await endAfter(501)).toEqual(failedFor('too-slow'));
});

test('all GPUs begin in the same turn, also those with other plans', async () => {
  const { ends, asked } = await challenge(['a', 'b', 'c'], {}, [plan, { ...plan, rounds: 2 }]);
  expect(ends.map(({ state }) => state)).toEqual(['passed', 'passed', 'passed']);
  const steps = asked.map(({ step }) => step);
  expect(steps.slice(0, 5)).toEqual(['prepare', 'prepare', 'begin', 'begin', 'begin']);
  expect(new Set(asked.filter(({ step }) => step === 'begin').map(({ at }) => at)).size).toBe(1);
});

test('a tenth of the rows left out is a wrong product', async () => {
  const skips = (asked: Challenge) =>
    prove(
      asked,
      products(asked).map((round) => round.map((row, at) => (at % 10 === 3 ? row.map((value) => value ^ 1) : row))),
    );
  // One that is missed has a chance of 0.9^48 = 0.6 % at most.
  const ends = await Promise.all(Array.from({ length: 8 }, () => endOf({ prove: skips })));
  expect(ends.filter(({ reason }) => reason === 'wrong-product').length).toBeGreaterThanOrEqual(7);
});

test('a round left out is a wrong product', async () => {
  const skips = (asked: Challenge) => {
    const [first = [], , third = []] = products(asked);
    return prove(asked, [first, first, third]);
  };
  expect(await endOf({ prove: skips })).toEqual(failedFor('wrong-product'));
});

test('the work of an older seed is a wrong product', async () => {
  const stale = (asked: Challenge) => prove({ ...asked, seed: Buffer.alloc(32, 7) });
  expect(await endOf({ prove: stale })).toEqual(failedFor('wrong-product'));
});

test('rows that were not committed to are found, though they are right', async () => {
  const commitsToNothing = (asked: Challenge) =>
    prove(
      asked,
      products(asked).map((round) => round.map((row) => row.fill(0))),
    );
  const opensRight = (proven: Proven, places: Parameters<typeof open>[1], asked: Challenge) =>
    open({ rows: products(asked), commitment: proven.commitment }, places);
  expect(await endOf({ prove: commitsToNothing, open: opensRight })).toEqual(failedFor('not-committed'));
});

test("one GPU's answer does not do for another", async () => {
  let copied: Proven | undefined;
  const copies = (asked: Challenge) => {
    copied ??= prove(asked);
    return copied;
  };
  const { ends } = await challenge(['a', 'b'], { prove: copies });
  expect(ends).toEqual([expect.objectContaining({ state: 'passed' }), failedFor('wrong-product')]);
});

test('one GPU that does the work of two is too slow', async () => {
  const { ends } = await challenge(['a', 'b'], { device: () => 'the only one', workMs: 90 });
  expect(ends).toEqual([expect.objectContaining({ state: 'passed', answerMs: 90 }), failedFor('too-slow')]);
  expect(ends[1]).toMatchObject({ answerMs: 180, message: 'the answer took 180 ms; 160 ms are allowed' });
});

test('too slow is by a millisecond, and nothing is opened any more', async () => {
  expect(await endOf({ workMs: 160 })).toMatchObject({ state: 'passed' });
  const { ends, asked } = await challenge(['a'], { workMs: 161 });
  expect(ends).toEqual([failedFor('too-slow')]);
  expect(asked.map(({ step }) => step)).toEqual(['prepare', 'begin', 'end']);
});

test('too fast passes, and is noted', async () => {
  const end = await endOf({ workMs: 19 });
  expect(end).toMatchObject({ state: 'passed', evidence: { too_fast: true } });
  expect(end.message).toBe('answered within 19 ms, faster than it can be');
});

test.each(['begin', 'open', 'rows'] as const)('garbage in answer to %s is malformed', async (garbled) => {
  const answer: Conduct['answer'] = (step) => (step === garbled ? { payload: Buffer.from('\xff\xff\xff') } : undefined);
  expect(await endOf({ answer })).toEqual(failedFor('malformed'));
});

test('fewer rows than were asked for are malformed', async () => {
  expect(await endOf({ open: (proven, places) => open(proven, places).slice(0, -1) })).toEqual(failedFor('malformed'));
});

const thrown = (code: `GPUB_${string}`) => () => {
  throw new Refusal('unavailable', code, 'it is so');
};

test.each([
  ['hangs up', thrown('GPUB_NODE_OFFLINE'), 'gone'],
  ['says nothing', thrown('GPUB_NODE_SILENT'), 'silent'],
  ['refuses', () => ({ refused: 'held: the GPU is sold' }), 'refused'],
])('a node that %s once the work has begun has broken off', async (_what, answer, reason) => {
  for (const at of ['begin', 'open', 'rows']) {
    const end = await endOf({ answer: (step) => (step === at ? answer() : undefined) });
    expect(end).toMatchObject({ state: 'broken-off', reason });
  }
});

test('whoever plays for time with rows runs out of it', async () => {
  const { ends } = await challenge(['a', 'b', 'c'], { rowsMs: 8 * 60_000 });
  expect(ends.map(({ state, reason }) => [state, reason])).toEqual([
    ['passed', undefined],
    ['passed', undefined],
    ['broken-off', 'gone'],
  ]);
  expect(ends[2]?.message).toBe('its rows were not there within 10 minutes');
});

test('a GPU that is not ready is let alone, and the others go on', async () => {
  const unready = [
    { gpu: 'a', reason: 'held', message: 'sold' },
    { gpu: 'b', reason: 'unsupported', message: 'no compute library shows it' },
  ];
  const { ends } = await challenge(['a', 'b', 'c'], { unready });
  expect(ends.map(({ state, reason }) => [state, reason])).toEqual([
    ['not-now', 'held'],
    ['unsupported', 'unsupported'],
    ['passed', undefined],
  ]);
  expect(ends[2]?.evidence).toMatchObject({ gpus_at_once: 1 });
});

test.each([
  ['busy: a benchmark runs', 'not-now', 'busy'],
  ['not supported yet: proof-of-gpu/1', 'unsupported', 'unsupported'],
])('a node that refuses to make ready: %s', async (refused, state, reason) => {
  const { ends, asked } = await challenge(['a', 'b'], {
    answer: (step) => (step === 'prepare' ? { refused } : undefined),
  });
  expect(ends.map((end) => [end.state, end.reason])).toEqual([
    [state, reason],
    [state, reason],
  ]);
  expect(asked.map(({ step }) => step)).toEqual(['prepare', 'end']);
});
