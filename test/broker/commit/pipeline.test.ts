// The pipeline on a real database: what is answered is stored, once, and a restart finds what was there.
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { chainHash, chainStart } from '../../../src/broker/commit/chain.ts';
import type { PipelineOptions } from '../../../src/broker/commit/pipeline.ts';
import type { Command } from '../../../src/broker/engine/commands.ts';
import { newId } from '../../../src/broker/ids.ts';
import { testDatabase } from '../../fixtures/database.ts';
import {
  createTestPipeline,
  h100,
  hashOf,
  million,
  newOrder,
  startTestMarket,
  type TestMarket,
} from '../../fixtures/market.ts';

/** What a broker that starts now would have in memory. */
async function hashAfterRestart(market: TestMarket, options: Partial<PipelineOptions> = {}): Promise<string> {
  await market.pipeline.stop();
  const next = createTestPipeline(market.database.url, options);
  await next.start();
  const hash = await hashOf(next);
  await next.stop();
  return hash;
}

async function count(market: TestMarket, table: string): Promise<number> {
  const { rows } = await market.database.pool.query(`select count(*)::int as count from ${table}`);
  return rows[0].count;
}

test('an order is stored with its trade, its money and its command when it is answered', async () => {
  const market = await startTestMarket();
  const node = await market.addNode({ price: 2 * million });
  const accountId = await market.addAccount(100 * million);
  const { order, trades } = await market.place({ accountId, quantity: 2, price: 3 * million, durationHours: 10 });
  expect(order).toMatchObject({ status: 'filled', filled: 2 });
  expect(trades).toHaveLength(1);
  const { pool } = market.database;
  const stored = await pool.query('select * from trades');
  expect(stored.rows[0]).toMatchObject({
    buyer_account_id: accountId,
    quantity: 2,
    price: 2_500_000,
    node_id: node.nodeId,
  });
  const holds = await pool.query('select gpu_id from holds order by position');
  expect(holds.rows.map(({ gpu_id }) => gpu_id)).toEqual(trades?.[0]?.gpuIds);
  const balances = await pool.query('select kind, balance from ledger_accounts where account_id = $1', [accountId]);
  expect(new Map(balances.rows.map(({ kind, balance }) => [kind, balance]))).toEqual(
    new Map([
      ['available', 50 * million],
      ['escrow', 50 * million],
    ]),
  );
  const topics = await pool.query('select topic, data from market_events order by seq');
  expect(topics.rows.map(({ topic }) => topic)).toEqual(
    expect.arrayContaining(['pricing.updates', 'audit.log', 'orders.created', 'orders.matched']),
  );
  expect(topics.rows.find(({ data }) => data.order?.id === order?.id)?.data.order).toMatchObject({ gpu_type: h100 });
});

test('a restart finds the state that was there', async () => {
  // Long before the next auction, so that an order that waits for it may be cancelled.
  const at = Date.UTC(2026, 10, 21, 12);
  const options = { now: () => at };
  const market = await startTestMarket(options);
  const nodes = [await market.addNode({ price: 2 * million }), await market.addNode({ price: million })];
  const accountId = await market.addAccount();
  await market.place({ accountId, quantity: 3, placement: 'node', userId: newId(), clientOrderId: 'mine ✓' });
  await market.place({ accountId, quantity: 20, price: million / 2, region: 'eu-1', minLabel: 'measured' });
  const auction = await market.place({ accountId, price: million, interruptible: true });
  await market.place({
    accountId: nodes[0]?.accountId ?? '',
    side: 'ask',
    nodeId: nodes[0]?.nodeId ?? '',
    price: 4 * million,
  });
  await market.submit({ kind: 'supply', node: { ...(nodes[1] as (typeof nodes)[0]), gpus: [] } });
  await market.submit({ kind: 'halt', product: h100, reason: 'maintenance' });
  await market.submit({ kind: 'kill', accountId: newId(), reason: 'fraud' });
  await market.submit({ kind: 'cancel', orderId: auction.order?.id ?? '', accountId, reason: 'changed my mind' });
  const hash = await hashOf(market.pipeline);
  expect(await hashAfterRestart(market, options)).toBe(hash);
});

test('the rows of the journal are chained', async () => {
  const market = await startTestMarket();
  const accountId = await market.addAccount();
  const key = { accountId, key: 'once', digest: createHash('sha256').update('order').digest('hex') };
  const command: Command = { kind: 'place', order: newOrder({ accountId, clientOrderId: 'Größe "9"' }) };
  await market.pipeline.submit({ command, actor: { accountId, userId: accountId }, key });
  const { rows } = await market.database.pool.query(
    `select seq, at, epoch, account_id as "accountId", user_id as "userId", key_account_id as "keyAccountId",
      idempotency_key as key, encode(digest, 'hex') as digest, command::text, result::text, hash
    from market_journal order by seq`,
  );
  let hash = chainStart;
  for (const row of rows) {
    hash = chainHash(hash, row);
    expect(row.hash).toEqual(hash);
  }
  expect(rows).toHaveLength(2);
  const state = await market.database.pool.query('select seq, hash from market_state');
  expect(state.rows).toEqual([{ seq: 2, hash }]);
});

test('a request with a key is done once, however often it is sent, and also after a restart', async () => {
  const market = await startTestMarket();
  const accountId = await market.addAccount();
  const submission = (digest: string) => ({
    command: { kind: 'place', order: newOrder({ accountId }) } as const,
    actor: { accountId, userId: accountId },
    key: { accountId, key: 'order 1', digest: digest.repeat(32) },
  });
  const { pipeline } = market;
  const together = await Promise.all([pipeline.submit(submission('aa')), pipeline.submit(submission('aa'))]);
  const again = await pipeline.submit(submission('aa'));
  await pipeline.stop();
  const next = (await startTestMarket({ database: market.database })).pipeline;
  const later = await next.submit(submission('aa'));
  expect(new Set([...together, again, later].map(({ order }) => order?.id)).size).toBe(1);
  expect(again).toEqual(JSON.parse(JSON.stringify(together[0])));
  await expect(next.submit(submission('bb'))).rejects.toMatchObject({ code: 'GPUB_IDEMPOTENCY_KEY_REUSED' });
  expect(await count(market, 'orders')).toBe(1);
});

test('a refused command leaves nothing behind', async () => {
  const market = await startTestMarket();
  const accountId = await market.addAccount(million);
  const before = [market.pipeline.seq, await hashOf(market.pipeline)];
  await expect(market.place({ accountId, price: 5 * million })).rejects.toMatchObject({
    kind: 'payment',
    code: 'GPUB_INSUFFICIENT_FUNDS',
  });
  expect([market.pipeline.seq, await hashOf(market.pipeline)]).toEqual(before);
  expect(await count(market, 'market_journal')).toBe(1);
});

test('text that the database cannot store is refused', async () => {
  const market = await startTestMarket();
  const accountId = await market.addAccount();
  for (const clientOrderId of ['a\0b', 'half \ud800']) {
    await expect(market.place({ accountId, clientOrderId })).rejects.toMatchObject({ code: 'GPUB_INVALID' });
  }
  await market.place({ accountId, clientOrderId: 'a backslash \\u0000, not NUL' });
});

test('what is due happens by itself', async () => {
  const market = await startTestMarket();
  const accountId = await market.addAccount();
  const expired = Promise.withResolvers<string>();
  market.pipeline.onCommitted(({ events }) => {
    for (const event of events) if (event.type === 'order-changed') expired.resolve(event.progress.status);
  });
  await market.place({ accountId, timeInForce: 'gtd', expiresAt: Date.now() + 100 });
  expect(await expired.promise).toBe('expired');
  const { rows } = await market.database.pool.query('select command from market_journal order by seq desc limit 1');
  expect(rows[0].command).toEqual({ kind: 'tick' });
});

test('a GPU that comes free is sold again in the same batch', async () => {
  const market = await startTestMarket();
  await market.addNode({ price: million, gpus: 1 });
  const accountId = await market.addAccount();
  const { trades } = await market.place({ accountId });
  const [, next] = await Promise.all([
    market.submit({ kind: 'end-hold', tradeId: trades?.[0]?.id ?? '', reason: 'done' }),
    market.place({ accountId }),
  ]);
  expect(next.order?.status).toBe('filled');
  const { rows } = await market.database.pool.query('select ended_at is null as held from holds order by 1');
  expect(rows).toEqual([{ held: false }, { held: true }]);
});

test('what is too much for one statement is stored in parts, all or nothing', async () => {
  const market = await startTestMarket({ mostRows: 50 });
  const accountId = await market.addAccount();
  await market.addNode({ price: million, gpus: 16 });
  await Promise.all(Array.from({ length: 200 }, () => market.place({ accountId, price: 3 * million })));
  const { cancelled } = await market.submit({ kind: 'kill', accountId, reason: 'test' });
  expect(cancelled).toBe(184);
  const { rows } = await market.database.pool.query(
    'select status, count(*)::int from orders where not standing group by 1',
  );
  expect(new Map(rows.map(({ status, count }) => [status, count]))).toEqual(
    new Map([
      ['filled', 16],
      ['cancelled', 184],
    ]),
  );
  const hash = await hashOf(market.pipeline);
  expect(await hashAfterRestart(market)).toBe(hash);
});

test('who finds the queue full is told so', async () => {
  const market = await startTestMarket({ mostWaiting: 5 });
  const accountId = await market.addAccount();
  const answers = await Promise.allSettled(Array.from({ length: 20 }, () => market.place({ accountId })));
  const refused = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason] : []));
  expect(refused).toHaveLength(15);
  expect(refused[0]).toMatchObject({ kind: 'too-many', code: 'GPUB_MARKET_BUSY' });
});

test('halt and kill go ahead of what waits', async () => {
  const market = await startTestMarket({ mostInBatch: 1 });
  const accountId = await market.addAccount();
  const orders = Array.from({ length: 5 }, () => market.place({ accountId }));
  await market.submit({ kind: 'halt', product: null, reason: 'test' });
  const answers = await Promise.allSettled(orders);
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 'rejected'));
});

test('a command that cannot be stored is refused alone', async () => {
  const database = await testDatabase();
  const market = await startTestMarket({ database });
  const accountId = await market.addAccount();
  const { order } = await market.place({ accountId });
  await market.submit({ kind: 'cancel', orderId: order?.id ?? '', accountId: null, reason: 'test' });
  // The engine forgets what is over; the table does not.
  const answers = await Promise.allSettled([
    market.place({ accountId }),
    market.place({ accountId, id: order?.id ?? '' }),
    market.place({ accountId }),
  ]);
  expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(await count(market, 'orders')).toBe(3);
});
