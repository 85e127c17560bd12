// The market follows the registry: what happens to providers, nodes and GPUs reaches the book by itself.
import { Registry } from 'prom-client';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { Principal } from '../../../src/broker/identity/principal.ts';
import { newId } from '../../../src/broker/ids.ts';
import { followSupply } from '../../../src/broker/market/supply.ts';
import { setMaintenance } from '../../../src/broker/registry/gpu-changes.ts';
import { decommissionNode, setStanding } from '../../../src/broker/registry/node-standing.ts';
import { addMapping } from '../../../src/broker/registry/products/product-mappings.ts';
import { suspendProvider, verifyProvider } from '../../../src/broker/registry/providers.ts';
import type { OpenDatabase } from '../../../src/broker/storage/database.ts';
import { testDatabase } from '../../fixtures/database.ts';
import { h100, nodePricing, startTestMarket, type TestMarket } from '../../fixtures/market.ts';
import { silentLog } from '../../fixtures/storage.ts';
import {
  gpu,
  heartbeatMs,
  insertNodes,
  insertPlace,
  joinedNode,
  newIngest,
  snapshot,
  TestClock,
} from '../registry/ingest/fixture.ts';

/** A node with two healthy GPUs, priced at 2 USD, whose market follows it. */
async function setUp() {
  const database = await testDatabase();
  const { db } = database;
  const clock = new TestClock();
  const place = await insertPlace(db, clock);
  const [nodeId = ''] = await insertNodes(db, clock, place, 1);
  const ingest = newIngest(db, clock);
  onTestFinished(() => ingest.close());
  await ingest.joined(joinedNode(place, nodeId, clock));
  const market = await startTestMarket({ database });
  const follower = await follow(database, market);
  const { id: accountId } = await db.selectFrom('accounts').select('id').executeTakeFirstOrThrow();
  const id = newId();
  const who = { kind: 'user', credentialId: id, userId: id, accountId, email: 'a@b', scopes: [] } as const;
  const admin: Principal = { ...who, role: 'admin' };
  const streams = { disconnect: () => {}, pullInventory: async () => false, standing: () => {} };
  const context = { db, now: clock.now, streams };
  await ingest.snapshot(nodeId, 'spool', snapshot(0, [gpu('gpu-a'), gpu('gpu-b')]));
  await market.submit({ kind: 'set-pricing', pricing: nodePricing(nodeId, 2_000_000) });
  /** GPUs that the node asks for, as the engine has it. */
  const asked = () =>
    market.pipeline.read((view) => view.offers(h100).find((offer) => offer.nodeId === nodeId)?.open ?? 0);
  const offers = (count: number) => vi.waitFor(async () => expect(await asked()).toBe(count), { timeout: 10_000 });
  await offers(2);
  const gpuId = async (name: string) =>
    (await db.selectFrom('gpus').select('id').where('name', '=', name).executeTakeFirstOrThrow()).id;
  return { database, db, clock, place, nodeId, ingest, market, follower, admin, context, offers, gpuId };
}

async function follow(database: OpenDatabase, { pipeline }: TestMarket) {
  const { db, pool } = database;
  // No comparison happens by itself: what the tests see came by events.
  const options = { db, pool, pipeline, log: silentLog, registry: new Registry(), compareInterval: 3_600_000 };
  const follower = await followSupply(options);
  onTestFinished(() => follower.stop());
  await follower.settled();
  return follower;
}

test('a GPU that turns unhealthy, is computed on, or is gone is not sold; when it is well again it is', async () => {
  const { ingest, nodeId, offers } = await setUp();
  await ingest.snapshot(nodeId, 'spool', snapshot(1, [gpu('gpu-a', 'unhealthy'), gpu('gpu-b')]));
  await offers(1);
  await ingest.snapshot(nodeId, 'spool', snapshot(2, [gpu('gpu-a'), gpu('gpu-b')]));
  await offers(2);
  await ingest.snapshot(nodeId, 'spool', snapshot(3, [{ ...gpu('gpu-a'), computeProcesses: 1 }, gpu('gpu-b')]));
  await offers(1);
  await ingest.snapshot(nodeId, 'spool', snapshot(4, [gpu('gpu-a'), gpu('gpu-b'), gpu('gpu-c')]));
  await offers(3);
  await ingest.snapshot(nodeId, 'spool', snapshot(5, [gpu('gpu-c')]));
  await offers(1);
});

test('a node that falls silent sells nothing until it is back', async () => {
  const { ingest, nodeId, clock, place, offers } = await setUp();
  // In steps: a longer pause would count as the broker's own.
  for (let step = 0; step < 4; step++) {
    clock.advance(heartbeatMs);
    await ingest.tick();
  }
  await offers(0);
  await ingest.joined(joinedNode(place, nodeId, clock));
  await offers(2);
});

test('cordon, drain, maintenance and suspension reach the book, and their ends', async () => {
  const { context, admin, nodeId, place, offers, gpuId } = await setUp();
  for (const standing of ['cordon', 'drain'] as const) {
    await setStanding(context, admin, nodeId, standing);
    await offers(0);
    await setStanding(context, admin, nodeId, 'uncordon');
    await offers(2);
  }
  await setMaintenance(context, admin, await gpuId('gpu-b'), { enabled: true });
  await offers(1);
  await setMaintenance(context, admin, await gpuId('gpu-b'), { enabled: false });
  await offers(2);
  await suspendProvider(context, admin, place.providerId, 'test');
  await offers(0);
  await verifyProvider(context, admin, place.providerId);
  await offers(2);
});

test('a model that an admin maps is for sale under its product', async () => {
  const { context, admin, nodeId, ingest, market } = await setUp();
  const odd = gpu('gpu-a', 'healthy', { model: 'Odd Card', pci: undefined });
  await ingest.snapshot(nodeId, 'spool', snapshot(1, [odd]));
  const given = { vendor: 'nvidia', model: 'Odd Card', memory_gb: 80, product: 'ODD-PCIE-80GB' };
  await addMapping(context, admin, { ...given, form_factor: 'PCIE', interconnect: 'PCIe4' });
  await vi.waitFor(async () => {
    const offers = await market.pipeline.read((view) => view.offers('ODD-PCIE-80GB'));
    expect(offers).toMatchObject([{ nodeId, open: 1 }]);
  });
});

test('a node that is decommissioned has nothing to sell, and no price', async () => {
  const { context, admin, nodeId, market, follower } = await setUp();
  await decommissionNode(context, admin, nodeId);
  await vi.waitFor(async () => {
    const known = await market.pipeline.read((view) => [view.supply(nodeId)?.gpus ?? [], view.pricing(nodeId)]);
    expect(known).toEqual([[], undefined]);
  });
  await follower.compare();
  const { seq } = market.pipeline;
  await follower.compare();
  expect(market.pipeline.seq).toBe(seq);
});

test('what was changed without an event is found by comparing all nodes, also nodes that are forgotten', async () => {
  const { db, nodeId, follower, offers, market } = await setUp();
  await db.updateTable('gpus').set({ health: 'unhealthy' }).where('name', '=', 'gpu-a').execute();
  await follower.compare();
  await offers(1);
  await db.deleteFrom('nodes').where('id', '=', nodeId).execute();
  await follower.compare();
  await offers(0);
  expect(await market.pipeline.read((view) => view.pricing(nodeId))).toBeUndefined();
});

test('a follower that starts tells what happened while there was none', async () => {
  const { database, db, follower, market, offers } = await setUp();
  await follower.stop();
  await db.updateTable('gpus').set({ health: 'unhealthy' }).execute();
  await follow(database, market);
  await offers(0);
});
