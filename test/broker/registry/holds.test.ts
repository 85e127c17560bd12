// What a trade holds: shown as allocated, found as such, and neither deleted nor cleaned up until the hold ends.
import { expect, test } from 'vitest';
import { newId } from '../../../src/broker/ids.ts';
import { cleanUpInventory } from '../../../src/broker/registry/clean-up.ts';
import { getCluster } from '../../../src/broker/registry/clusters.ts';
import type { Database } from '../../../src/broker/storage/database.ts';
import { addGpu, addNode, startRegistryApi, type TestNode } from '../../fixtures/registry.ts';

const executed = new Date('2026-01-02T00:00:00Z');
const ends = new Date('2026-01-03T00:00:00Z');

/** A trade as the market stores it; returns what ends its hold. */
async function holdGpus(db: Database, { nodeId, clusterId }: TestNode, gpuIds: readonly string[]) {
  const id = newId();
  const party = { bid_order_id: newId(), ask_order_id: newId(), buyer_account_id: newId(), seller_account_id: newId() };
  const money = { price: 2_000_000, bid_price: 2_000_000, escrow: 0, settled_seconds: 0, captured: 0 };
  const times = { duration_hours: 24, executed_at: executed, ends_at: ends, ended_at: null, reclaim_at: null };
  const rest = { number: 1, product: 'H100-SXM5-80GB', interruptible: false, auction_id: null, end_reason: '' };
  await db
    .insertInto('trades')
    .values({
      id,
      ...party,
      ...money,
      ...times,
      ...rest,
      node_id: nodeId,
      cluster_id: clusterId,
      quantity: gpuIds.length,
    })
    .execute();
  const holds = gpuIds.map((gpu_id, position) => ({ trade_id: id, gpu_id, position, ended_at: null }));
  await db.insertInto('holds').values(holds).execute();
  return async () => {
    await db.updateTable('holds').set({ ended_at: ends }).where('trade_id', '=', id).execute();
    await db.updateTable('trades').set({ ended_at: ends }).where('id', '=', id).execute();
  };
}

test('a GPU is allocated as long as a trade holds it, wherever it is shown', async () => {
  const api = await startRegistryApi();
  const { db } = api;
  const { provider } = api.principals;
  const node = await addNode(db, provider.accountId);
  const [sold, free, kept] = [
    await addGpu(db, node),
    await addGpu(db, node),
    await addGpu(db, node, { status: 'maintenance' }),
  ];
  const end = await holdGpus(db, node, [sold]);
  const caller = api.as('provider');
  const found = async (status: string) => {
    const { body } = await caller.get(`/gpus?status=${status}&node_id=${node.nodeId}`);
    return body.items.map((gpu: { id: string; status: string }) => [gpu.id, gpu.status]);
  };
  expect(await found('allocated')).toEqual([[sold, 'allocated']]);
  expect(await found('available')).toEqual([[free, 'available']]);
  expect(await found('maintenance')).toEqual([[kept, 'maintenance']]);
  expect((await caller.get(`/gpus/${sold}`)).body.status).toBe('allocated');
  const { gpus } = (await caller.get(`/nodes/${node.nodeId}`)).body;
  expect(gpus.find(({ id }: { id: string }) => id === sold).status).toBe('allocated');
  expect(await getCluster(api.services, provider, node.clusterId)).toMatchObject({ total_gpus: 3, available_gpus: 1 });
  await end();
  expect(await found('allocated')).toEqual([]);
  expect((await caller.get(`/gpus/${sold}`)).body.status).toBe('available');
});

test('what a trade holds is neither taken off the market nor out of the inventory', async () => {
  const api = await startRegistryApi();
  const { db } = api;
  const node = await addNode(db, api.principals.provider.accountId);
  const gpu = await addGpu(db, node);
  const end = await holdGpus(db, node, [gpu]);
  const caller = api.as('provider');
  const refused = { status: 409, body: { code: 'GPUB_IN_USE' } };
  expect(await caller.post(`/gpus/${gpu}/maintenance`, { enabled: true })).toMatchObject(refused);
  expect(await caller.post(`/nodes/${node.nodeId}/decommission`, {})).toMatchObject(refused);
  await end();
  expect((await caller.post(`/gpus/${gpu}/maintenance`, { enabled: true })).status).toBe(200);
  expect((await caller.post(`/nodes/${node.nodeId}/decommission`, {})).status).toBe(200);
});

test('a node that is decommissioned, and its cluster, stay while a trade of that very moment holds GPUs', async () => {
  const api = await startRegistryApi();
  const { db } = api;
  const node = await addNode(db, api.principals.provider.accountId);
  const gpu = await addGpu(db, node);
  const caller = api.as('provider');
  await caller.post(`/nodes/${node.nodeId}/decommission`, {});
  const end = await holdGpus(db, node, [gpu]);
  const refused = { status: 409, body: { code: 'GPUB_IN_USE' } };
  expect(await caller.delete(`/nodes/${node.nodeId}`)).toMatchObject(refused);
  expect(await caller.delete(`/clusters/${node.clusterId}`)).toMatchObject(refused);
  expect(await caller.delete(`/providers/${node.providerId}`)).toMatchObject(refused);
  const late = new Date('2027-01-01T00:00:00Z');
  expect(await cleanUpInventory(db, late, { staleAfterMs: 1000 })).toEqual({ nodes: 0, gpus: 0 });
  await end();
  expect((await caller.delete(`/nodes/${node.nodeId}`)).status).toBe(200);
  expect((await caller.delete(`/clusters/${node.clusterId}`)).status).toBe(200);
  expect((await caller.delete(`/providers/${node.providerId}`)).status).toBe(200);
});
