// The pipeline while its database, its connection or its leadership fails: nothing that was answered is lost, and
// nothing is done twice.
import { expect, test } from 'vitest';
import { newId } from '../../../src/broker/ids.ts';
import type { OpenDatabase } from '../../../src/broker/storage/database.ts';
import {
  block,
  createTestPipeline,
  hashOf,
  million,
  newOrder,
  startTestMarket,
  type TestMarket,
} from '../../fixtures/market.ts';
import { soaking } from '../../properties.ts';

/** Cuts the connections of the market, wherever they are. */
async function cutWriter({ pool }: OpenDatabase): Promise<void> {
  await pool.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and application_name in ('gpubroker market', 'gpubroker market reader')`,
  );
}

/** What the tables hold is what the engine holds, and the journal has no gap. */
async function expectSound({ database, pipeline }: TestMarket): Promise<void> {
  const loaded = createTestPipeline(database.url);
  const hash = await hashOf(pipeline);
  await pipeline.stop();
  await loaded.start();
  expect(await hashOf(loaded)).toBe(hash);
  await loaded.stop();
  const { rows } = await database.pool.query(
    'select count(*) as count, max(seq) as last, (select seq from market_state) as seq from market_journal',
  );
  expect(rows[0].count).toBe(rows[0].last);
  expect(rows[0].seq).toBe(rows[0].last);
}

test('orders are stored once each while the connection is cut again and again', async () => {
  const market = await startTestMarket();
  await market.addNode({ price: million, gpus: 64 });
  const accountId = await market.addAccount();
  let left = soaking ? 5_000 : 600;
  const ids: string[] = [];
  const client = async () => {
    while (left-- > 0) {
      const { order } = await market.place({ accountId });
      ids.push(order?.id ?? '');
    }
  };
  // During the batch after every other commit.
  let commits = 0;
  const cuts: Promise<void>[] = [];
  market.pipeline.onCommitted(() => {
    if (++commits % 2 === 0) cuts.push(cutWriter(market.database));
  });
  await Promise.all(Array.from({ length: 20 }, client));
  await Promise.all(cuts);
  const { rows } = await market.database.pool.query('select id from orders where not standing order by id');
  expect(rows.map(({ id }) => id)).toEqual(ids.sort());
  await expectSound(market);
}, 300_000);

test('a batch whose outcome nobody knows is looked for, and not stored twice', async () => {
  const market = await startTestMarket();
  const accountId = await market.addAccount(10 * million);
  const release = await block(market.database);
  const placed = market.place({ accountId, price: 4 * million });
  const waiting = `select from pg_stat_activity
    where datname = current_database() and application_name = 'gpubroker market' and wait_event_type = 'Lock'`;
  while ((await market.database.pool.query(waiting)).rowCount === 0);
  await cutWriter(market.database);
  await release();
  expect((await placed).order?.status).toBe('pending');
  const { rows } = await market.database.pool.query('select count(*)::int as count from orders');
  expect(rows[0].count).toBe(1);
  await expectSound(market);
});

test('who waits for too long is told so, and what it asked for is done once all the same', async () => {
  const market = await startTestMarket({ patienceMs: 300, mostInBatch: 1 });
  const accountId = await market.addAccount();
  const release = await block(market.database);
  const command = { kind: 'place', order: newOrder({ accountId }) } as const;
  const submission = { command, actor: null, key: { accountId, key: 'k', digest: 'ab'.repeat(32) } };
  const first = market.pipeline.submit(submission);
  await expect(first).rejects.toMatchObject({ code: 'GPUB_MARKET_UNAVAILABLE', kind: 'unavailable' });
  await expect(first).rejects.toThrow(/not known/);
  // The next batch is made meanwhile; what comes after it waits.
  const second = newOrder({ accountId });
  const [ahead, behind] = [second, newOrder({ accountId })].map((order) => market.place(order));
  await expect(ahead).rejects.toThrow(/not known/);
  await expect(behind).rejects.toThrow(/not done/);
  // Asked again while nobody knows, there is no other answer.
  await expect(market.pipeline.submit(submission)).rejects.toThrow(/not known/);
  await expect(market.pipeline.read((engine) => engine.now)).rejects.toMatchObject({ code: 'GPUB_MARKET_UNAVAILABLE' });
  await release();
  await market.pipeline.idle();
  const again = await market.pipeline.submit(submission);
  expect(again.order?.id).toBe(command.order.id);
  const { rows } = await market.database.pool.query('select id from orders order by priority');
  expect(rows).toEqual([{ id: command.order.id }, { id: second.id }]);
  await expectSound(market);
});

test('another writer that takes the pen is noticed: the market is loaded anew', async () => {
  const market = await startTestMarket();
  const accountId = await market.addAccount();
  const other = createTestPipeline(market.database.url);
  await other.start();
  await other.submit({ command: { kind: 'place', order: newOrder({ accountId }) }, actor: null });
  await other.stop();
  const answers = await Promise.allSettled([market.place({ accountId }), market.place({ accountId })]);
  expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled']);
  expect(await market.pipeline.read((engine) => engine.openOrders())).toBe(3);
  await expectSound(market);
});

test('a broker that does not lead any more stores nothing', async () => {
  const market = await startTestMarket({ patienceMs: 500 });
  const accountId = await market.addAccount();
  await market.database.pool.query('update leader set epoch = 1');
  await expect(market.place({ accountId })).rejects.toMatchObject({ code: 'GPUB_MARKET_UNAVAILABLE' });
  const next = createTestPipeline(market.database.url, { epoch: () => 1 });
  await next.start();
  const { order } = await next.submit({ command: { kind: 'place', order: newOrder({ accountId }) }, actor: null });
  await next.stop();
  const { rows } = await market.database.pool.query('select id from orders');
  expect(rows).toEqual([{ id: order?.id }]);
});

test('a pipeline that is stopped answers everybody', async () => {
  const market = await startTestMarket({ mostInBatch: 2 });
  const accountId = await market.addAccount();
  const orders = Array.from({ length: 50 }, () => market.place({ accountId, id: newId() }));
  const settled = Promise.allSettled(orders);
  await market.pipeline.stop();
  const answers = await settled;
  const placed = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value.order?.id] : []));
  const { rows } = await market.database.pool.query('select id from orders order by id');
  expect(rows.map(({ id }) => id)).toEqual(placed.sort());
  await expect(market.place({ accountId })).rejects.toMatchObject({ code: 'GPUB_MARKET_UNAVAILABLE' });
});
