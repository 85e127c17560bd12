// The price index over the real pipeline: when windows are published, late trades, answers that are lost, other brokers.
import fc from 'fast-check';
import { Registry } from 'prom-client';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Committed, Pipeline } from '../../../../src/broker/commit/contract.ts';
import type { Trade } from '../../../../src/broker/engine/order.ts';
import { firstId, newId } from '../../../../src/broker/ids.ts';
import { createIndexPublisher } from '../../../../src/broker/market/index/publisher.ts';
import { unpublishedWindows } from '../../../../src/broker/market/index/tape.ts';
import { windowAt, windowLength } from '../../../../src/broker/market/index/windows.ts';
import type { Database } from '../../../../src/broker/storage/database.ts';
import { h100, million, startTestMarket, type TestMarket } from '../../../fixtures/market.ts';
import { silentLog } from '../../../fixtures/storage.ts';
import { runs } from '../../../properties.ts';

const noon = Date.UTC(2026, 10, 21, 12);
const second = 1000;
const minute = 60 * second;

/** A market and a publisher with one clock, which a test sets. */
async function startIndex(
  wrap: (pipeline: Pipeline) => Pick<Pipeline, 'submit' | 'read' | 'onCommitted'> = (it) => it,
) {
  const clock = { now: noon };
  const market = await startTestMarket({ now: () => clock.now });
  const registry = new Registry();
  const publisher = createIndexPublisher({
    db: market.database.db,
    pipeline: wrap(market.pipeline),
    now: () => clock.now,
    log: silentLog,
    registry,
    interval: 10,
  });
  onTestFinished(() => publisher.stop());
  return { market, clock, publisher, registry, db: market.database.db };
}

/** Trades so many GPUs now, for two hours, at a price in micro-dollars. */
async function trade(market: TestMarket, quantity: number, price: number): Promise<void> {
  await market.addNode({ gpus: quantity, price });
  await market.place({ accountId: await market.addAccount(), quantity, price, durationHours: 2 });
}

function published(db: Database) {
  return db.selectFrom('price_index').selectAll().orderBy('product').orderBy('starts_at').orderBy('revision').execute();
}

async function told(db: Database) {
  const events = await db.selectFrom('market_events').select('data').where('topic', '=', 'pricing.updates').execute();
  return events.flatMap(({ data }) => ('index' in data ? [data.index as { startsAt: number; revision: number }] : []));
}

/** A trade on the tape that no commit told of. */
async function writeTrade(
  db: Database,
  { product = h100, at = noon, quantity = 1, price = 2 * million },
): Promise<void> {
  // Random after the time, as ids are.
  const id = firstId(at).slice(0, 14) + newId().slice(14);
  const nobody = newId();
  await db
    .insertInto('trades')
    .values({
      id,
      number: 1,
      product,
      bid_order_id: nobody,
      ask_order_id: nobody,
      buyer_account_id: nobody,
      seller_account_id: nobody,
      node_id: nobody,
      cluster_id: nobody,
      quantity,
      price,
      bid_price: price,
      duration_hours: 1,
      executed_at: new Date(at),
      ends_at: new Date(at + 3_600_000),
      interruptible: false,
      auction_id: null,
      escrow: 0,
      settled_seconds: 0,
      captured: 0,
      ended_at: new Date(at),
      end_reason: 'test',
      reclaim_at: null,
    })
    .execute();
}

describe('the price index', () => {
  test('publishes a window once it has ended, and what happened in it', async () => {
    const { market, clock, publisher, registry, db } = await startIndex();
    await trade(market, 1, 1_000_000);
    clock.now = noon + 299_999;
    await trade(market, 3, 2_000_000);
    expect(await publisher.publish()).toBe(0);
    clock.now = noon + 300_000;
    await trade(market, 1, 9_000_000);
    clock.now = noon + 301_000;
    expect(await publisher.publish()).toBe(1);
    expect(await publisher.publish()).toBe(0);
    expect(await published(db)).toMatchObject([
      {
        product: h100,
        starts_at: new Date(noon),
        revision: 0,
        final: false,
        trades: 2,
        gpus: 4,
        gpu_hours: 8,
        volume: 7_000_000,
        vwap: 1_750_000,
        min_price: 1_000_000,
        max_price: 2_000_000,
        stddev: 433_012,
        published_at: new Date(noon + 301_000),
      },
    ]);
    expect(await told(db)).toHaveLength(1);
    expect(await registry.metrics()).toContain('gpubroker_price_index_delay_seconds_sum 1');
  });

  test('says nothing of windows without trades', async () => {
    const { clock, publisher, db } = await startIndex();
    clock.now = noon + 20 * minute;
    expect(await publisher.publish()).toBe(0);
    expect(await published(db)).toEqual([]);
  });

  test('folds trades that came late into one final revision after a minute, later ones into further ones', async () => {
    let tell: (committed: Committed) => void = () => {};
    const { market, clock, publisher, db } = await startIndex((pipeline) => ({
      submit: (submission) => pipeline.submit(submission),
      read: (look) => pipeline.read(look),
      onCommitted: (listener) => {
        tell = listener;
        return pipeline.onCommitted(listener);
      },
    }));
    const late = async (price: number) => {
      await writeTrade(db, { at: noon + 1, price });
      tell({ seq: 0, at: clock.now, events: [{ type: 'trade', trade: { executedAt: noon + 1 } as Trade }] });
    };
    await trade(market, 1, 2_000_000);
    clock.now = noon + 5 * minute + second;
    await publisher.publish();
    await late(4_000_000);
    await late(6_000_000);
    clock.now = noon + 6 * minute - 1;
    expect(await publisher.publish()).toBe(0);
    clock.now = noon + 6 * minute;
    expect(await publisher.publish()).toBe(1);
    await late(8_000_000);
    clock.now = noon + 60 * minute;
    expect(await publisher.publish()).toBe(1);
    expect(await publisher.publish()).toBe(0);
    expect(await published(db)).toMatchObject([
      { revision: 0, final: false, trades: 1, vwap: 2_000_000 },
      { revision: 1, final: true, trades: 3, vwap: 4_000_000 },
      { revision: 2, final: true, trades: 4, vwap: 5_000_000 },
    ]);
  });

  test('publishes an auction that was cleared when its window had long ended, by the time of the auction', async () => {
    const { market, clock, publisher, db } = await startIndex();
    clock.now = noon + 5 * minute;
    await market.addNode({ gpus: 1, price: 2 * million });
    await market.place({ accountId: await market.addAccount(), interruptible: true });
    clock.now = noon + 90 * minute;
    await publisher.publish();
    await market.submit({ kind: 'tick' });
    await publisher.publish();
    const rows = await published(db);
    expect(rows).toMatchObject([{ starts_at: new Date(noon + 15 * minute), revision: 0, final: true, trades: 1 }]);
  });

  test('publishes after a restart what was traded before it', async () => {
    const { clock, db, publisher, market } = await startIndex();
    await writeTrade(db, { at: noon - 6 * 86_400_000, price: 3_000_000 });
    await writeTrade(db, { at: noon - minute, price: 5_000_000 });
    await trade(market, 1, 7_000_000);
    expect(await publisher.publish()).toBe(2);
    // Another one that has heard of nothing.
    const later = createIndexPublisher({
      db,
      pipeline: market.pipeline,
      now: () => clock.now,
      log: silentLog,
      registry: new Registry(),
    });
    expect(await later.publish()).toBe(0);
    clock.now = noon + 5 * minute + second;
    expect(await later.publish()).toBe(1);
    expect((await published(db)).map(({ vwap }) => vwap)).toEqual([3_000_000, 5_000_000, 7_000_000]);
  });

  test('publishes each revision once though answers are lost and two publish at a time', async () => {
    let lost = 2;
    const { market, clock, publisher, db } = await startIndex((pipeline) => ({
      submit: async (submission) => {
        const result = await pipeline.submit(submission);
        if (lost-- > 0) throw new Error('the answer was lost');
        return result;
      },
      read: (look) => pipeline.read(look),
      onCommitted: (listener) => pipeline.onCommitted(listener),
    }));
    const options = { db, pipeline: market.pipeline, now: () => clock.now, log: silentLog };
    const other = createIndexPublisher({ ...options, registry: new Registry() });
    await trade(market, 1, 2_000_000);
    clock.now = noon + 5 * minute;
    await Promise.allSettled([publisher.publish(), other.publish(), publisher.publish()]);
    await publisher.publish();
    await writeTrade(db, { at: noon + 2 });
    await trade(market, 1, 2_000_000);
    clock.now = noon + 10 * minute;
    await Promise.allSettled([publisher.publish(), other.publish()]);
    // By then the late trade is found whatever was heard: by a look at a window that was still waited for, or by a
    // comparison.
    clock.now = noon + 70 * minute;
    await Promise.allSettled([publisher.publish(), other.publish()]);
    await publisher.publish();
    const rows = await published(db);
    expect(rows.map(({ starts_at, revision }) => [starts_at.getTime(), revision])).toEqual([
      [noon, 0],
      [noon, 1],
      [noon + 5 * minute, 0],
    ]);
    expect(await told(db)).toHaveLength(rows.length);
  });

  test('tries again by itself until the pipeline answers', async () => {
    const answered = Promise.withResolvers<void>();
    let failures = 3;
    const { market, clock, publisher, db } = await startIndex((pipeline) => ({
      submit: (submission) => pipeline.submit(submission).finally(answered.resolve),
      read: (look) => (failures-- > 0 ? Promise.reject(new Error('no')) : pipeline.read(look)),
      onCommitted: (listener) => pipeline.onCommitted(listener),
    }));
    await trade(market, 1, 2_000_000);
    clock.now = noon + 5 * minute;
    publisher.start();
    await answered.promise;
    await publisher.stop();
    expect(await published(db)).toHaveLength(1);
  });

  test('of any tape and any times of publishing: gapless revisions, the last of which is what the tape says', async () => {
    const market = await startTestMarket({ now: () => clock.now });
    const clock = { now: noon };
    const { db } = market.database;
    const listeners = new Set<(committed: Committed) => void>();
    const step = fc.record({
      after: fc.integer({ min: 0, max: 4 * minute }),
      /** How late it becomes known. */
      late: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 15 * minute })),
      quantity: fc.integer({ min: 1, max: 100 }),
      price: fc.integer({ min: 1, max: 1_000_000_000 }),
      publish: fc.boolean(),
    });
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
        const product = `P-${++run}`;
        const publisher = createIndexPublisher({
          db,
          pipeline: {
            submit: (submission) => market.pipeline.submit(submission),
            read: (look) => market.pipeline.read(look),
            onCommitted: (listener) => {
              listeners.add(listener);
              return () => listeners.delete(listener);
            },
          },
          now: () => clock.now,
          log: silentLog,
          registry: new Registry(),
        });
        for (const { after, late, publish, ...terms } of steps) {
          clock.now += after;
          const executedAt = Math.max(noon, clock.now - late);
          await writeTrade(db, { product, at: executedAt, ...terms });
          for (const tell of listeners)
            tell({ seq: 0, at: 0, events: [{ type: 'trade', trade: { executedAt } as Trade }] });
          if (publish) await publisher.publish();
        }
        clock.now += windowLength + 10 * minute;
        await publisher.publish();
        await publisher.stop();
        expect(await unpublishedWindows(db, windowAt(noon), windowAt(clock.now))).toEqual([]);
        await expectPublished(db, product);
      }),
      runs(15, 300),
    );
    const rows = await published(db);
    const names = (await told(db)).map((window) => JSON.stringify([window.startsAt, window.revision]));
    expect(names.length).toBe(rows.length);
  }, 300_000);
});

/** Of each window: revisions from 0 without a gap, never fewer trades, and the last one as computed from all trades. */
async function expectPublished(db: Database, product: string): Promise<void> {
  const rows = (await published(db)).filter((row) => row.product === product);
  const trades = await db.selectFrom('trades').selectAll().where('product', '=', product).execute();
  const windows = Map.groupBy(trades, ({ executed_at }) => windowAt(executed_at.getTime()));
  const revisions = Map.groupBy(rows, ({ starts_at }) => starts_at.getTime());
  expect([...revisions.keys()].sort()).toEqual([...windows.keys()].sort());
  for (const [startsAt, published] of revisions) {
    expect(published.map(({ revision }) => revision)).toEqual(published.map((_, at) => at));
    const counts = published.map((row) => row.trades);
    expect(counts).toEqual([...new Set(counts)].sort((a, b) => a - b));
    const inside = windows.get(startsAt) ?? [];
    const gpus = inside.reduce((sum, { quantity }) => sum + quantity, 0);
    const volume = inside.reduce((sum, { quantity, price }) => sum + quantity * price, 0);
    expect(published.at(-1)).toMatchObject({
      trades: inside.length,
      gpus,
      volume,
      vwap: Math.floor(volume / gpus),
      min_price: Math.min(...inside.map(({ price }) => price)),
      max_price: Math.max(...inside.map(({ price }) => price)),
    });
  }
}
