// A storm of changes of nodes and of orders through the real pipeline: no node ever sells more than it has.
import fc from 'fast-check';
import { type RawBuilder, sql } from 'kysely';
import { Registry } from 'prom-client';
import { expect, onTestFinished, test } from 'vitest';
import { appendToJournal } from '../../../src/broker/events/journal.ts';
import { newId } from '../../../src/broker/ids.ts';
import { followSupply, type SupplyFollower } from '../../../src/broker/market/supply.ts';
import { Refusal } from '../../../src/broker/refusal.ts';
import type { Database } from '../../../src/broker/storage/database.ts';
import { testDatabase } from '../../fixtures/database.ts';
import { h100, million, newOrder, nodePricing, startTestMarket, type TestMarket } from '../../fixtures/market.ts';
import { addGpu, addNode, type TestNode } from '../../fixtures/registry.ts';
import { silentLog } from '../../fixtures/storage.ts';
import { runs, soaking } from '../../properties.ts';

const nodeCount = 3;
const gpusPerNode = 4;

interface World {
  readonly db: Database;
  readonly market: TestMarket;
  readonly follower: SupplyFollower;
  readonly seller: string;
  readonly buyers: readonly string[];
  readonly nodes: readonly (TestNode & { readonly gpus: readonly string[] })[];
  readonly trades: string[];
  readonly orders: { readonly id: string; readonly accountId: string }[];
}

async function setUp(): Promise<World> {
  const database = await testDatabase();
  const { db, pool } = database;
  const market = await startTestMarket({ database });
  const { pipeline } = market;
  const seller = newId();
  await db.insertInto('accounts').values({ id: seller, name: 'seller', created_at: new Date() }).execute();
  const nodes: World['nodes'][number][] = [];
  for (let n = 0; n < nodeCount; n++) {
    const node = await addNode(db, seller);
    const gpus: string[] = [];
    for (let g = 0; g < gpusPerNode; g++) gpus.push(await addGpu(db, node, { name: `gpu-${g}` }));
    nodes.push({ ...node, gpus });
  }
  const options = { db, pool, pipeline, log: silentLog, registry: new Registry(), compareInterval: 3_600_000 };
  const follower = await followSupply(options);
  onTestFinished(() => follower.stop());
  const buyers = [await market.addAccount(), await market.addAccount()];
  return { db, market, follower, seller, buyers, nodes, trades: [], orders: [] };
}

/** One thing that happens. Indexes are taken modulo what there is. */
type Step =
  | { readonly kind: 'gpu'; readonly node: number; readonly gpu: number; readonly ill: boolean; readonly busy: boolean }
  | { readonly kind: 'node'; readonly node: number; readonly status: 'healthy' | 'offline'; readonly cordoned: boolean }
  | { readonly kind: 'price'; readonly node: number; readonly price: number | null; readonly withheld: number }
  | {
      readonly kind: 'bid';
      readonly buyer: number;
      readonly quantity: number;
      readonly price: number;
      readonly whole: boolean;
    }
  | {
      readonly kind: 'ask';
      readonly node: number;
      readonly quantity: number;
      readonly price: number;
      readonly interruptible: boolean;
    }
  | { readonly kind: 'cancel'; readonly order: number }
  | { readonly kind: 'end'; readonly trade: number };

const node = fc.nat(nodeCount - 1);
const price = fc.integer({ min: 1, max: 4 });
const quantity = fc.integer({ min: 1, max: gpusPerNode + 1 });
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constant('gpu' as const),
      node,
      gpu: fc.nat(gpusPerNode - 1),
      ill: fc.boolean(),
      busy: fc.boolean(),
    }),
    fc.record({
      kind: fc.constant('node' as const),
      node,
      status: fc.constantFrom('healthy' as const, 'healthy' as const, 'offline' as const),
      cordoned: fc.boolean(),
    }),
    fc.record({
      kind: fc.constant('price' as const),
      node,
      price: fc.option(price, { freq: 8 }),
      withheld: fc.constantFrom(0, 0, 1),
    }),
    fc.record({ kind: fc.constant('bid' as const), buyer: fc.nat(1), quantity, price, whole: fc.boolean() }),
    fc.record({ kind: fc.constant('ask' as const), node, quantity, price, interruptible: fc.boolean() }),
    fc.record({ kind: fc.constant('cancel' as const), order: fc.nat() }),
    fc.record({ kind: fc.constant('end' as const), trade: fc.nat() }),
  ),
  { minLength: 5, maxLength: 40 },
);

/** Does it; what the market refuses does not happen. */
async function happen(world: World, step: Step): Promise<void> {
  try {
    await (step.kind === 'gpu' || step.kind === 'node' ? changeRegistry(world, step) : order(world, step));
  } catch (error) {
    if (!(error instanceof Refusal) || error.kind === 'unavailable') throw error;
  }
}

/** As the registry does it: the row and the event in one transaction. */
async function changeRegistry({ db, nodes }: World, step: Step & { kind: 'gpu' | 'node' }): Promise<void> {
  const { nodeId, gpus } = nodes[step.node] as World['nodes'][number];
  await db.transaction().execute(async (trx) => {
    if (step.kind === 'gpu') {
      const set = { health: step.ill ? 'unhealthy' : 'healthy', compute_processes: step.busy ? 1 : 0 } as const;
      await trx
        .updateTable('gpus')
        .set(set)
        .where('id', '=', gpus[step.gpu] as string)
        .execute();
    } else {
      const { status, cordoned } = step;
      await trx.updateTable('nodes').set({ status, cordoned }).where('id', '=', nodeId).execute();
    }
    await appendToJournal(trx, [{ kind: `${step.kind}.changed`, at: new Date(), nodeId, data: {} }]);
  });
}

async function order(world: World, step: Exclude<Step, { kind: 'gpu' | 'node' }>): Promise<void> {
  const { market, nodes, buyers, seller, orders, trades } = world;
  const place = async (given: Parameters<typeof newOrder>[0]) => {
    const placed = newOrder(given);
    orders.push(placed);
    const result = await market.submit({ kind: 'place', order: placed });
    trades.push(...(result.trades ?? []).map(({ id }) => id));
  };
  const nodeId = 'node' in step ? (nodes[step.node]?.nodeId ?? '') : '';
  if (step.kind === 'price' && step.price === null) await market.submit({ kind: 'remove-pricing', nodeId });
  else if (step.kind === 'price') {
    const pricing = nodePricing(nodeId, (step.price ?? 1) * million, { withheld: step.withheld });
    await market.submit({ kind: 'set-pricing', pricing });
  } else if (step.kind === 'bid') {
    const terms = { quantity: step.quantity, price: step.price * million, allOrNone: step.whole };
    await place({ accountId: buyers[step.buyer] as string, ...terms });
  } else if (step.kind === 'ask') {
    const terms = { quantity: step.quantity, price: step.price * million, interruptible: step.interruptible };
    await place({ accountId: seller, side: 'ask', nodeId, durationHours: 24, ...terms });
  } else if (step.kind === 'cancel') {
    const { id = '', accountId = '' } = orders[step.order % Math.max(orders.length, 1)] ?? {};
    await market.submit({ kind: 'cancel', orderId: id, accountId, reason: 'test' });
  } else {
    const tradeId = trades[step.trade % Math.max(trades.length, 1)] ?? '';
    await market.submit({ kind: 'end-hold', tradeId, reason: 'test' });
  }
}

interface Count {
  readonly node_id: string;
  readonly open: number;
  readonly free: number;
}

/** What each node asks for, and how many GPUs it has that are sellable, not occupied and not held; in one snapshot. */
async function counts(db: Database, sellable: RawBuilder<unknown>): Promise<Count[]> {
  const { rows } = await sql<Count>`
    select n.id as node_id,
      (select coalesce(sum(open), 0) from orders
        where node_id = n.id and side = 'ask' and status in ('pending', 'partial'))::int as open,
      (select count(*) from (${sellable}) gpu
        where gpu.node_id = n.id
          and not exists (select from holds where holds.gpu_id = gpu.id and holds.ended_at is null))::int as free
    from nodes n order by n.id
  `.execute(db);
  return rows;
}

/** By what the market was told last. */
const told = sql`
  select node_id, (gpu ->> 'id')::uuid as id from node_supply, jsonb_array_elements(supply::jsonb -> 'gpus') gpu
  where (gpu ->> 'sellable')::boolean and not (gpu ->> 'occupied')::boolean`;

/** By the registry as it is. */
const registered = sql`
  select g.node_id, g.id from gpus g join nodes on nodes.id = g.node_id
  where g.health = 'healthy' and coalesce(g.compute_processes, 0) = 0 and nodes.status <> 'offline' and not nodes.cordoned`;

/** Puts everything back, so that every storm begins alike. */
async function calmDown(world: World): Promise<void> {
  const { db, market, nodes, follower, trades, orders } = world;
  for (const accountId of [world.seller, ...world.buyers]) {
    await market.submit({ kind: 'kill', accountId, reason: 'test' });
    await market.submit({ kind: 'revive', accountId });
  }
  const held = await db.selectFrom('trades').select('id').where('ended_at', 'is', null).execute();
  await Promise.all(held.map(({ id }) => market.submit({ kind: 'end-hold', tradeId: id, reason: 'test' })));
  for (const { nodeId } of nodes) await market.submit({ kind: 'remove-pricing', nodeId });
  await db.updateTable('gpus').set({ health: 'healthy', compute_processes: 0 }).execute();
  await db.updateTable('nodes').set({ status: 'healthy', cordoned: false }).execute();
  await follower.compare();
  trades.length = 0;
  orders.length = 0;
}

test(
  'no ask exceeds what its node can sell, at any moment of a storm',
  async () => {
    const world = await setUp();
    const { db, market, follower } = world;
    const storm = fc.asyncProperty(steps, fc.integer({ min: 1, max: 8 }), async (script, together) => {
      await calmDown(world);
      const { nodes } = world;
      for (const { nodeId } of nodes) {
        await market.submit({ kind: 'set-pricing', pricing: nodePricing(nodeId, 2 * million) });
      }
      for (let from = 0; from < script.length; from += together) {
        const happening = script.slice(from, from + together).map((step) => happen(world, step));
        // The tables are those of one moment, also while it storms.
        for (const { open, free } of await counts(db, told)) expect(open).toBeLessThanOrEqual(free);
        await Promise.all(happening);
      }
      await follower.compare();
      for (const { open, free } of await counts(db, registered)) expect(open).toBeLessThanOrEqual(free);
      // Priced nodes sell all that they may: nothing is left lying about either.
      const offers = await market.pipeline.read((view) => view.offers(h100));
      const free = new Map((await counts(db, registered)).map((count) => [count.node_id, count]));
      for (const { nodeId } of offers) {
        const withheld = await market.pipeline.read((view) => Number(view.pricing(nodeId)?.withheld ?? 0));
        if (withheld === 0) expect(free.get(nodeId)?.open).toBe(free.get(nodeId)?.free);
      }
    });
    await fc.assert(storm, runs(15, 1000));
  },
  soaking ? 1_800_000 : 120_000,
);
