// While a batch is stored the next one is made: what is told, and when, of a state that is not durable yet.
import pg from 'pg';
import { expect, test } from 'vitest';
import type { Committed } from '../../../src/broker/commit/contract.ts';
import { block, million, startTestMarket } from '../../fixtures/market.ts';

/** Whether a promise has not come to its end. */
async function isWaiting(promise: Promise<unknown>): Promise<boolean> {
  const nothing = {};
  return (await Promise.race([promise, new Promise((resolve) => setTimeout(resolve, 100, nothing))])) === nothing;
}

test('what comes while a batch is stored is the next batch, as a whole', async () => {
  const market = await startTestMarket();
  const accountId = await market.addAccount();
  const node = await market.addNode({ price: million });
  const release = await block(market.database);
  const commits: Committed[] = [];
  const first = market.place({ accountId });
  await expect.poll(() => isWaiting(first)).toBe(true);
  market.pipeline.onCommitted((committed) => commits.push(committed));
  const others = [2, 3, 4].map((quantity) => market.place({ accountId, quantity }));
  // It is made of what the first one has left of the node's eight GPUs.
  expect(await isWaiting(Promise.race(others))).toBe(true);
  await release();
  const results = await Promise.all([first, ...others]);
  expect(results.map(({ order }) => order?.filled)).toEqual([1, 2, 3, 2]);
  expect(commits.map(({ seq }) => seq)).toEqual([market.pipeline.seq - 3, market.pipeline.seq]);
  const { rows } = await market.database.pool.query('select count(distinct gpu_id)::int as gpus from holds');
  expect(rows[0].gpus).toBe(node.gpus.length);
});

test('a refusal that follows from what is not durable yet waits for that', async () => {
  const market = await startTestMarket();
  const accountId = await market.addAccount(3 * million);
  const release = await block(market.database);
  const first = market.place({ accountId });
  await expect.poll(() => isWaiting(first)).toBe(true);
  const second = market.place({ accountId });
  expect(await isWaiting(second)).toBe(true);
  await release();
  await expect(second).rejects.toMatchObject({ code: 'GPUB_INSUFFICIENT_FUNDS' });
  expect((await first).order?.status).toBe('pending');
});

test('who reads is told what he saw once that is durable', async () => {
  const market = await startTestMarket();
  const accountId = await market.addAccount();
  const release = await block(market.database);
  const before = market.pipeline.seq;
  const first = market.place({ accountId });
  await expect.poll(() => isWaiting(first)).toBe(true);
  const seen = market.pipeline.read((engine, seq) => ({ orders: engine.openOrders(), seq }));
  expect(await isWaiting(seen)).toBe(true);
  const second = market.place({ accountId });
  await release();
  const { orders, seq } = await seen;
  expect(orders).toBe(seq - before);
  expect(market.pipeline.seq).toBeGreaterThanOrEqual(seq);
  await Promise.all([first, second]);
});

test('what was seen and never was durable is looked at again', async () => {
  const market = await startTestMarket();
  const accountId = await market.addAccount();
  const replacement = new pg.Client({ connectionString: market.database.url });
  await replacement.connect();
  await replacement.query('begin');
  // As another writer would, who has stored a command of his own.
  await replacement.query(`update market_state set writer = writer + 1, seq = seq + 1, hash = '\\x01'`);
  const first = market.place({ accountId });
  await expect.poll(() => isWaiting(first)).toBe(true);
  const second = market.place({ accountId });
  const looks: { orders: number; seq: number }[] = [];
  const seen = market.pipeline.read((engine, seq) => looks.push({ orders: engine.openOrders(), seq }));
  const { seq } = market.pipeline;
  expect(await isWaiting(seen)).toBe(true);
  await replacement.query('commit');
  await replacement.end();
  await Promise.all([first, second, seen]);
  // Both orders were done again, after the other's command.
  expect(market.pipeline.seq).toBe(seq + 3);
  expect(looks.at(-1)?.orders).toBe((looks.at(-1)?.seq ?? 0) - seq - 1);
  const { rows } = await market.database.pool.query('select count(*)::int as orders from orders');
  expect(rows[0].orders).toBe(2);
});
