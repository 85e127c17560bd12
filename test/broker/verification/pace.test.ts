// How fast the GPUs of a product are, from the proofs of many; and what that asks of the next ones.
import { expect, onTestFinished, test } from 'vitest';
import { challengePlans } from '../../../src/broker/verification/challenge-plan.ts';
import { leastGpus, leastProviders, pacesOf } from '../../../src/broker/verification/pace.ts';
import { testDatabase } from '../../fixtures/database.ts';
import { proofOf, testRecords } from '../../fixtures/verification.ts';
import {
  gpu,
  insertNodes,
  insertPlace,
  joinedNode,
  newIngest,
  snapshot,
  TestClock,
} from '../registry/ingest/fixture.ts';

const product = 'H100-SXM5-80GB';
const plans = challengePlans();

/** Providers with GPUs that have proven themselves, each GPU in so many milliseconds a round. */
async function setUp(providers: readonly (readonly number[])[]) {
  const { db } = await testDatabase();
  const clock = new TestClock();
  const ingest = newIngest(db, clock);
  onTestFinished(() => ingest.close());
  const records = testRecords({ db, now: clock.now });
  for (const [number, gpus] of providers.entries()) {
    const place = await insertPlace(db, clock);
    const [nodeId = ''] = await insertNodes(db, clock, place, 1);
    const names = gpus.map((_, at) => `gpu-${number}-${at}`);
    await ingest.joined(joinedNode(place, nodeId, clock));
    await ingest.snapshot(
      nodeId,
      'spool',
      snapshot(
        0,
        names.map((name) => gpu(name, 'healthy', { uuid: name })),
      ),
    );
    clock.advance(1_000);
    const rows = await db.selectFrom('gpus').select(['id', 'name']).where('node_id', '=', nodeId).execute();
    for (const { id: gpuId, name } of rows) {
      const ms = gpus[names.indexOf(name)] ?? 0;
      const plan = { size: 16_384, rounds: 100 };
      const evidence = { plan, answer_ms: 100 * ms, too_fast: ms < 5 };
      await records.proven(proofOf({ nodeId, gpuId }, clock.now(), { gpu: name, evidence }));
    }
  }
  return db;
}

test('the middle of what providers come to is the pace, and the plan that follows lets no GPU do the work of two', async () => {
  const db = await setUp([
    [8, 8, 8],
    [10, 10, 10],
    [9, 9, 9],
  ]);
  const paces = await pacesOf(db, [product, 'T4-PCIE-16GB']);
  expect([...paces]).toEqual([[product, { size: 16_384, msPerRound: 9 }]]);
  const [expected, shown] = [plans(product), plans(product, paces.get(product))];
  expect(expected?.rounds).toBe(189);
  expect(shown).toMatchObject({ rounds: 333, expectedMs: 2_997 });
  expect(shown?.slowestMs).toBeLessThan(2 * 2_997);
  // What is known is not assumed: who is late has failed.
  expect(shown?.undecidedMs).toBeUndefined();
});

test.each([
  [
    'too few GPUs',
    [
      [9, 9, 9],
      [9, 9],
      [9, 9],
    ],
  ],
  [
    'too few providers, however many GPUs',
    [
      [9, 9, 9, 9, 9],
      [9, 9, 9, 9, 9],
    ],
  ],
  [
    'what is faster than the product can be does not count',
    [
      [9, 9, 9],
      [9, 9, 9],
      [4, 4, 4],
    ],
  ],
])('%s: nothing is known', async (_what, providers) => {
  expect((await pacesOf(await setUp(providers), [product])).size).toBe(0);
});

test('a pace that is slower than what is expected asks for no less', () => {
  expect(plans(product, { size: 16_384, msPerRound: 100 })).toEqual(plans(product));
  expect(plans(product, { size: 8_192, msPerRound: 1 })).toEqual(plans(product));
});

test('none is asked for more than the peak', () => {
  const plan = plans(product, { size: 16_384, msPerRound: 0.001 });
  expect(plan?.expectedMs).toBe(plan?.fastestMs);
});

test('an operator who gave a plan knows better', () => {
  const plan = { size: 256, rounds: 2, places: 8, expectedMs: 10, slowestMs: 20, fastestMs: 1 };
  expect(challengePlans(new Map([[product, plan]]))(product, { size: 16_384, msPerRound: 9 })).toBe(plan);
  expect([leastGpus, leastProviders]).toEqual([8, 3]);
});
