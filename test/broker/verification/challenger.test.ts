// The challenger: who is challenged, with whom, how soon; and what becomes of those who do not answer.
import pino from 'pino';
import { Registry } from 'prom-client';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { newId } from '../../../src/broker/ids.ts';
import { Refusal } from '../../../src/broker/refusal.ts';
import type { ChallengePlan } from '../../../src/broker/verification/challenge-plan.ts';
import { createChallenger } from '../../../src/broker/verification/challenger.ts';
import type { ProofResult } from '../../../src/broker/verification/contract.ts';
import { soon } from '../../../src/broker/verification/schedule.ts';
import type { AskNode } from '../../../src/broker/verification/steps.ts';
import { createVerifier } from '../../../src/broker/verification/verifier.ts';
import { testDatabase } from '../../fixtures/database.ts';
import { until } from '../../fixtures/node-link.ts';
import { type Conduct, type ProvingNode, provingNode, VirtualTime } from '../../fixtures/proving-node.ts';
import { addGpu, addNode, type TestGpu, type TestNode } from '../../fixtures/registry.ts';
import { testRecords } from '../../fixtures/verification.ts';

const plan: ChallengePlan = { size: 128, rounds: 2, places: 16, expectedMs: 100, slowestMs: 160, fastestMs: 20 };
const verifier = createVerifier({ log: pino({ level: 'silent' }), random: Math.random });
afterAll(() => verifier.close());

async function setUp({ interval = 0, lookInterval = 20 } = {}) {
  const { db } = await testDatabase();
  const accountId = newId();
  await db.insertInto('accounts').values({ id: accountId, name: 'somebody', created_at: new Date() }).execute();
  const time = new VirtualTime();
  const provers = new Map<string, ProvingNode>();
  const results: ProofResult[] = [];
  const stored = testRecords({ db, now: () => new Date() });
  const registry = new Registry();
  const looks = { count: 0 };
  const ask: AskNode = (nodeId, work, deadline) => {
    const node = provers.get(nodeId);
    if (node) return node.ask(nodeId, work, deadline);
    return Promise.reject(new Refusal('unavailable', 'GPUB_NODE_OFFLINE', 'it is not connected'));
  };
  const challenger = createChallenger({
    db,
    ask,
    isLive: (nodeId) => {
      looks.count += 1;
      return provers.has(nodeId);
    },
    // It is closed with the challenger, and shared by the tests.
    verifier: {
      epochSeed: (size) => verifier.epochSeed(size),
      judge: (page) => verifier.judge(page),
      close: async () => {},
    },
    plans: (product) => (product === 'UNKNOWN' ? undefined : plan),
    records: {
      proven: async (result) => {
        results.push(result);
        await stored.proven(result);
      },
    },
    log: pino({ level: 'silent' }),
    now: () => new Date(),
    clock: () => time.now(),
    registry,
    interval,
    lookInterval,
  });
  onTestFinished(() => challenger.stop());
  const node = async (gpus: readonly TestGpu[], conduct: Conduct = {}, like?: TestNode) => {
    const made = await addNode(db, accountId);
    const place = like ? { ...made, clusterId: like.clusterId, providerId: like.providerId } : made;
    const ids: string[] = [];
    for (const gpu of gpus) ids.push(await addGpu(db, place, gpu));
    const prover = provingNode(time, conduct);
    provers.set(made.nodeId, prover);
    return { ...place, ids, prover };
  };
  /** Lets the challenger see what is new, and the longest wait for it pass. */
  const startAndWait = async () => {
    challenger.start();
    await until(() => looks.count > 0);
    await time.until(time.now() + soon);
  };
  return { db, time, provers, results, registry, challenger, node, looks, startAndWait };
}

const codeOf = (code: string) => expect.objectContaining({ code });

test('a node is challenged on request: every free GPU, and no other', async () => {
  const { challenger, node, results, db } = await setUp();
  const { nodeId, ids } = await node([
    { name: 'free' },
    { name: 'too' },
    { name: 'unwell', health: 'unhealthy' },
    { name: 'serviced', status: 'maintenance' },
    { name: 'split', mig: true },
    { name: 'slice', parent: 'split' },
    { name: 'busy', compute_processes: 1 },
    { name: 'pod', pod_allocation: 'held' },
    { name: 'nameless', product: null },
    { name: 'gone', removed_at: new Date() },
  ]);
  const outcomes = await challenger.challengeNow(nodeId, 'account');
  expect(outcomes.map(({ gpu, outcome }) => [gpu, outcome]).sort()).toEqual([
    ['free', 'passed'],
    ['too', 'passed'],
  ]);
  expect(outcomes.map(({ verificationId }) => verificationId).sort()).toEqual(results.map(({ id }) => id).sort());
  const labels = await db
    .selectFrom('gpus')
    .select(['name', 'label'])
    .where('id', '=', ids[0] ?? '')
    .execute();
  expect(labels).toEqual([{ name: 'free', label: 'challenge-verified' }]);
});

test('what is asked for is refused where it cannot be done', async () => {
  const { challenger, node, provers } = await setUp();
  await expect(challenger.challengeNow(newId(), 'account')).rejects.toEqual(codeOf('GPUB_NODE_OFFLINE'));
  const { nodeId } = await node([{ status: 'maintenance' }]);
  await expect(challenger.challengeNow(nodeId, 'account')).rejects.toEqual(codeOf('GPUB_NO_FREE_GPU'));
  const { nodeId: other } = await node([{}]);
  const running = challenger.challengeNow(other, 'account');
  await expect(challenger.challengeNow(other, 'account')).rejects.toEqual(codeOf('GPUB_CHALLENGE_RUNNING'));
  expect(await running).toMatchObject([{ outcome: 'passed' }]);
  provers.delete(other);
  await expect(challenger.challengeNow(other, 'account')).rejects.toEqual(codeOf('GPUB_NODE_OFFLINE'));
});

test('on request, an account has two at a time, and all together four', async () => {
  const { challenger, node } = await setUp();
  const begin = async (account: string) => {
    const { nodeId } = await node([{}]);
    return { account, nodeId };
  };
  const asked = [];
  for (const account of ['a', 'a', 'a', 'b', 'b', 'c']) asked.push(await begin(account));
  const ends = await Promise.allSettled(asked.map(({ nodeId, account }) => challenger.challengeNow(nodeId, account)));
  expect(ends.map(({ status }) => status)).toEqual([
    'fulfilled',
    'fulfilled',
    'rejected',
    'fulfilled',
    'fulfilled',
    'rejected',
  ]);
  const [, , own, , , all] = ends.map((end) => (end.status === 'rejected' ? end.reason.message : ''));
  expect(own).toBe('2 challenges of nodes of this account are under way');
  expect(all).toBe('4 challenges that were asked for are under way');
  // Their places are free again.
  const [first] = asked;
  expect(await challenger.challengeNow(first?.nodeId ?? '', 'a')).toMatchObject([{ outcome: 'passed' }]);
});

test('a failure is stored with its reason, and counted', async () => {
  const { challenger, node, results, registry } = await setUp();
  const { nodeId } = await node([{ name: 'a' }, { name: 'b' }], { device: () => 'the only one', workMs: 90 });
  const outcomes = await challenger.challengeNow(nodeId, 'account');
  expect(outcomes.map(({ outcome, reason }) => [outcome, reason]).sort()).toEqual([
    ['failed', 'too-slow'],
    ['passed', undefined],
  ]);
  expect(results).toHaveLength(2);
  const counted = await registry.getSingleMetricAsString('gpubroker_challenges_total');
  expect(counted).toContain('gpubroker_challenges_total{outcome="failed",reason="too-slow"} 1');
});

test('a product without a plan is unsupported, once', async () => {
  const { challenger, node, results } = await setUp();
  const { nodeId } = await node([{ product: 'UNKNOWN' }]);
  expect(await challenger.challengeNow(nodeId, 'account')).toMatchObject([
    { outcome: 'unsupported', reason: 'no-plan' },
  ]);
  expect(await challenger.challengeNow(nodeId, 'account')).toEqual([]);
  expect(results).toHaveLength(1);
});

test('whoever hangs up is not recorded twice, and fails the third time', async () => {
  const { challenger, node, results } = await setUp();
  const { nodeId } = await node([{}], {
    answer: (step) => {
      if (step === 'begin') throw new Refusal('unavailable', 'GPUB_NODE_OFFLINE', 'the stream has ended');
      return undefined;
    },
  });
  const outcomes = [];
  for (let time = 0; time < 3; time++) outcomes.push(...(await challenger.challengeNow(nodeId, 'account')));
  expect(outcomes.map(({ outcome }) => outcome)).toEqual(['not-now', 'not-now', 'failed']);
  expect(results.map(({ reason }) => reason)).toEqual(['no-answer']);
});

test('GPUs that were never challenged are, within minutes, with those of all nodes of their provider at once', async () => {
  const { node, results, startAndWait } = await setUp({ interval: 24 * 3_600_000 });
  const first = await node([{ name: 'a' }, { name: 'b' }]);
  const second = await node([{ name: 'c' }], {}, first);
  await startAndWait();
  await until(() => results.length === 3);
  const begun = [first, second].flatMap(({ prover }) => prover.asked.filter(({ step }) => step === 'begin'));
  expect(begun.map(({ at }) => at)).toEqual([begun[0]?.at, begun[0]?.at, begun[0]?.at]);
  expect(results.every(({ outcome }) => outcome === 'passed')).toBe(true);
});

test('one GPU that poses as several on two nodes is found', async () => {
  const { node, results, startAndWait } = await setUp({ interval: 24 * 3_600_000 });
  const devices = new Map<string, number>();
  const conduct = { device: () => 'the only one', workMs: 90, busyUntil: devices };
  const first = await node([{ name: 'a' }], conduct);
  await node([{ name: 'b' }], conduct, first);
  await startAndWait();
  await until(() => results.length === 2);
  expect(results.map(({ reason }) => reason).sort()).toEqual(['too-slow', undefined]);
});

test('a node that refuses is let alone for a while', async () => {
  const { node, looks, provers, startAndWait } = await setUp({ interval: 24 * 3_600_000, lookInterval: 5 });
  // One that is not connected is asked about at every look.
  provers.delete((await node([{}])).nodeId);
  const { prover } = await node([{}], {
    answer: (step) => (step === 'prepare' ? { refused: 'busy: a benchmark' } : undefined),
  });
  await startAndWait();
  await until(() => prover.asked.length >= 2);
  const { count } = looks;
  await until(() => looks.count > count + 5);
  expect(prover.asked.map(({ step }) => step)).toEqual(['prepare', 'end']);
});

test('a GPU that is never ready hurries the others of its node ever less', async () => {
  const { node, time, looks, provers, startAndWait } = await setUp({ interval: 24 * 3_600_000, lookInterval: 5 });
  provers.delete((await node([{}])).nodeId);
  const unready = [{ gpu: 'b', reason: 'busy', message: 'a benchmark runs' }];
  const { prover } = await node([{ name: 'a' }, { name: 'b' }], { unready });
  await startAndWait();
  const rounds = () => prover.asked.filter(({ step }) => step === 'end').length;
  await until(() => rounds() === 1);
  for (let minutes = 0; minutes < 120; minutes += 2) {
    const { count } = looks;
    await until(() => looks.count > count + 2);
    await time.until(time.now() + soon);
  }
  // Were it for the new GPU alone, every four minutes; waits that double make a few of it.
  expect(rounds()).toBeGreaterThan(1);
  expect(rounds()).toBeLessThan(20);
});

test('stopping breaks a round off without a result', async () => {
  const { challenger, node, results } = await setUp();
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  const { nodeId } = await node([{}], {
    answer: (step) => {
      if (step === 'begin') begin();
      return undefined;
    },
    stalls: true,
  });
  const running = challenger.challengeNow(nodeId, 'account');
  await begun;
  await challenger.stop();
  expect(await running).toEqual([]);
  expect(results).toEqual([]);
});
