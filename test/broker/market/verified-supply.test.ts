// What is verified decides what is sold: labels and scores reach the book by events, and orders and products obey them.
import { Registry } from 'prom-client';
import { expect, onTestFinished, test, vi } from 'vitest';
import { followSupply } from '../../../src/broker/market/supply.ts';
import { expireLabels } from '../../../src/broker/verification/expiry.ts';
import { testDatabase } from '../../fixtures/database.ts';
import { h100, million, nodePricing, startTestMarket } from '../../fixtures/market.ts';
import { silentLog } from '../../fixtures/storage.ts';
import { day, healthy, measurementOf, proofOf, testRecords } from '../../fixtures/verification.ts';
import {
  gpu,
  insertNodes,
  insertPlace,
  joinedNode,
  newIngest,
  snapshot,
  TestClock,
} from '../registry/ingest/fixture.ts';

/** A node with one H100, priced at 2 USD, and a buyer. */
async function setUp() {
  const database = await testDatabase();
  const { db, pool } = database;
  const clock = new TestClock();
  const place = await insertPlace(db, clock);
  const [nodeId = ''] = await insertNodes(db, clock, place, 1);
  const ingest = newIngest(db, clock);
  onTestFinished(() => ingest.close());
  await ingest.joined(joinedNode(place, nodeId, clock));
  await ingest.snapshot(nodeId, 'spool', snapshot(0, [gpu('gpu-a')]));
  const market = await startTestMarket({ database });
  const { pipeline } = market;
  // No comparison happens by itself: what is seen came by events.
  const options = { db, pool, pipeline, log: silentLog, registry: new Registry(), compareInterval: 3_600_000 };
  const follower = await followSupply(options);
  onTestFinished(() => follower.stop());
  await follower.settled();
  await market.submit({ kind: 'set-pricing', pricing: nodePricing(nodeId, 2 * million) });
  const { id: gpuId } = await db.selectFrom('gpus').select('id').executeTakeFirstOrThrow();
  clock.advance(1000);
  const records = testRecords({ db, now: clock.now });
  const prove = (outcome: 'passed' | 'failed') => {
    clock.advance(1000);
    return records.proven(proofOf({ nodeId, gpuId }, clock.now(), { outcome }));
  };
  const measure = (figures = healthy) => {
    clock.advance(1000);
    return records.take(nodeId, measurementOf('gpu-a', figures));
  };
  const until = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 10_000 });
  const known = (label: string, score: number) =>
    until(async () => {
      const supply = await pipeline.read((view) => view.supply(nodeId));
      expect(supply?.gpus).toMatchObject([{ label, score }]);
    });
  /** GPUs that the node's ask offers. */
  const offers = (count: number) =>
    until(async () => {
      const open = await pipeline.read((view) => view.offers(h100).find((one) => one.nodeId === nodeId)?.open ?? 0);
      expect(open).toBe(count);
    });
  const buyer = await market.addAccount(1_000 * million);
  const trades = async () => (await db.selectFrom('trades').select('id').execute()).length;
  return { db, clock, market, buyer, prove, measure, known, offers, trades, until };
}

test('a bid for verified GPUs waits for the proof', async () => {
  const { market, buyer, measure, prove, known, trades, until } = await setUp();
  await market.place({ accountId: buyer, price: 3 * million, minLabel: 'challenge-verified' });
  await measure();
  await known('measured', 100);
  expect(await trades()).toBe(0);
  await prove('passed');
  await until(async () => expect(await trades()).toBe(1));
});

test('a bid for fast GPUs waits for a measurement that is', async () => {
  const { market, buyer, measure, known, trades, until } = await setUp();
  await market.place({ accountId: buyer, price: 3 * million, minScore: 80 });
  await measure({ ...healthy, 'memory-bandwidth': 1000, 'tensor-fp16': 300 });
  await known('self-reported', 59);
  expect(await trades()).toBe(0);
  await measure();
  await known('measured', 100);
  await until(async () => expect(await trades()).toBe(1));
}, 30_000);

test('a failed proof takes a GPU off the ask of a product that demands the label, and so does time', async () => {
  const { db, clock, market, prove, measure, offers, known } = await setUp();
  const { rules } = await market.pipeline.read((view) => view.product(h100));
  await market.submit({ kind: 'set-rules', product: h100, rules: { ...rules, minLabel: 'challenge-verified' } });
  await offers(0);
  await measure();
  await known('measured', 100);
  await offers(0);
  await prove('passed');
  await offers(1);
  await prove('failed');
  await offers(0);
  await known('self-reported', 0);
  await prove('passed');
  await offers(1);
  clock.advance(8 * day);
  expect(await expireLabels({ db, now: clock.now, proofLifetime: 7 * day })).toBe(1);
  await offers(0);
  await known('measured', 100);
}, 30_000);
