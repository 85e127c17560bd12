// People and nodes change the same things at the same time: nobody is refused for it, and nothing is lost.
import { expect, test } from 'vitest';
import type { Principal } from '../../../src/broker/identity/principal.ts';
import { cleanUpInventory } from '../../../src/broker/registry/clean-up.ts';
import { createCluster, deleteCluster } from '../../../src/broker/registry/clusters.ts';
import { setMaintenance } from '../../../src/broker/registry/gpu-changes.ts';
import { decommissionNode, setStanding } from '../../../src/broker/registry/node-standing.ts';
import { createNode, deleteNode, updateNode } from '../../../src/broker/registry/nodes.ts';
import { changeMembers, createPool } from '../../../src/broker/registry/pools.ts';
import { addMapping, removeMapping } from '../../../src/broker/registry/products/product-mappings.ts';
import { createProvider, deleteProvider, updateProvider } from '../../../src/broker/registry/providers.ts';
import { testDatabase } from '../../fixtures/database.ts';
import {
  change,
  gpu,
  insertNodes,
  insertPlace,
  joinedNode,
  newIngest,
  openIncidents,
  snapshot,
  TestClock,
} from './ingest/fixture.ts';

const rounds = 12;
const nodeCount = 6;
const names = ['gpu-0', 'gpu-1', 'gpu-2', 'gpu-3'];
const odd = { model: 'NVIDIA Odd Card', memory: { totalBytes: 20n * 2n ** 30n }, pci: undefined };

async function setUp() {
  const { db } = await testDatabase();
  const clock = new TestClock();
  const place = await insertPlace(db, clock);
  const nodeIds = await insertNodes(db, clock, place, nodeCount);
  const ingest = newIngest(db, clock);
  for (const id of nodeIds) {
    await ingest.joined(joinedNode(place, id, clock));
    await ingest.snapshot(id, 'spool', snapshot(0, shown(id, 'healthy')));
  }
  const { id: accountId } = await db.selectFrom('accounts').select('id').executeTakeFirstOrThrow();
  const principal: Principal = {
    kind: 'user',
    credentialId: accountId,
    userId: accountId,
    accountId,
    email: 'a@b',
    role: 'admin',
    scopes: ['admin'],
  };
  const streams = { disconnect: () => {}, pullInventory: async () => true, standing: () => {} };
  return { db, now: clock.now, clock, place, nodeIds, ingest, principal, streams };
}

function shown(nodeId: string, health: 'healthy' | 'unhealthy') {
  return names.map((name) => gpu(name, health, { ...odd, uuid: `${nodeId} ${name}` }));
}

test('nodes that report, people that operate and the clean-up do not stand in each other’s way', async () => {
  const { nodeIds, ingest, principal, place, clock, ...context } = await setUp();
  const { db } = context;
  const gpus = await db.selectFrom('gpus').select(['id', 'node_id', 'name']).orderBy('id').execute();
  const pool = await createPool(context, principal, { provider_id: place.providerId, name: 'p', kind: 'static' });
  const [gone = '', ...staying] = nodeIds;

  const report = async (nodeId: string) => {
    for (let round = 1; round <= rounds; round++) {
      const health = round % 2 === 1 ? 'unhealthy' : 'healthy';
      if (round % 3 === 0) await ingest.snapshot(nodeId, 'spool', snapshot(round * 4, shown(nodeId, health)));
      else {
        const changes = shown(nodeId, health).map((each, slot) => change((round - 1) * 4 + slot + 1, each));
        expect(await ingest.changes(nodeId, 'spool', changes)).toBe('stored');
      }
      await ingest.flush();
    }
  };
  const operate = async (nodeId: string) => {
    for (let round = 0; round < rounds; round++) {
      await setStanding(context, principal, nodeId, round % 2 === 0 ? 'drain' : 'cordon');
      await setStanding(context, principal, nodeId, 'uncordon');
      await updateNode(context, principal, nodeId, { gpu_specs: [{ model: 'Odd', count: 4 }] });
    }
    await setStanding(context, principal, nodeId, 'cordon');
  };
  const maintain = async (id: string) => {
    for (let round = 0; round < rounds; round++) {
      await setMaintenance(context, principal, id, { enabled: round % 2 === 0 });
      await changeMembers(context, principal, pool.id, round % 2 === 0 ? 'add' : 'remove', [id]);
    }
    await setMaintenance(context, principal, id, { enabled: true });
  };
  const key = { vendor: 'nvidia', model: odd.model, memory_gb: 20 };
  const mapped = { ...key, product: 'ODD-PCIE-20GB', form_factor: 'PCIE', interconnect: 'PCIe4' };
  const map = async () => {
    for (let round = 0; round < rounds; round++) {
      await addMapping(context, principal, mapped);
      await removeMapping(context, principal, key);
    }
  };
  const comeAndGo = async (name: string) => {
    for (let round = 0; round < rounds; round++) {
      const provider = await createProvider(context, principal, { name, company: 'c' });
      const cluster = await createCluster(context, principal, provider, { name, region: 'eu-1' });
      const { nodeId } = await createNode(context, principal, cluster, { hostname: name });
      await deleteNode(context, principal, nodeId);
      await deleteCluster(context, principal, cluster);
      await deleteProvider(context, principal, provider);
      await updateProvider(context, principal, place.providerId, { company: `${name} ${round}` });
    }
  };
  const cleanUp = async () => {
    for (let round = 0; round < rounds; round++) await cleanUpInventory(db, clock.now(), { staleAfterMs: 3_600_000 });
  };
  const retire = async () => {
    await report(gone);
    await decommissionNode(context, principal, gone);
  };
  await Promise.all([
    ...staying.map(report),
    ...staying.map(operate),
    ...gpus.filter(({ node_id }) => node_id !== gone).map(({ id }) => maintain(id)),
    ...['one', 'other'].map(comeAndGo),
    map(),
    cleanUp(),
    retire(),
  ]);
  ingest.standingChanged(gone, 'decommissioned');
  await ingest.idle();

  const rows = await db.selectFrom('gpus').select(['status', 'health', 'node_id', 'removed_at']).execute();
  expect(rows).toHaveLength(nodeCount * names.length);
  for (const { status, health, node_id, removed_at } of rows) {
    const expected = node_id === gone ? ['available', 'healthy', true] : ['maintenance', 'healthy', false];
    expect([status, health, removed_at !== null]).toEqual(expected);
  }
  const nodes = await db
    .selectFrom('nodes')
    .select(['id', 'cordoned', 'draining', 'status', 'change_sequence'])
    .execute();
  expect(nodes).toHaveLength(nodeCount);
  for (const { id, ...node } of nodes) {
    const status = id === gone ? 'offline' : 'healthy';
    expect(node).toEqual({ cordoned: true, draining: id === gone, status, change_sequence: rounds * 4 });
  }
  expect(await openIncidents(db)).toEqual([]);
  // Of each GPU the journal's last word is what the inventory says.
  const told = await db
    .selectFrom('journal')
    .distinctOn('gpu_id')
    .select(['kind', 'data'])
    .where('kind', 'like', 'gpu.%')
    .orderBy('gpu_id')
    .orderBy('seq', 'desc')
    .execute();
  const words = told.map(({ kind, data }) => (kind === 'gpu.removed' ? 'gone' : `${data.status} ${data.health}`));
  expect(words.sort()).toEqual([...Array(4).fill('gone'), ...Array(20).fill('maintenance healthy')]);
});
