// What makes a GPU sellable or occupied, one fact at a time.
import { expect, test } from 'vitest';
import { nodesOf, pageOfNodes, readNodes } from '../../../src/broker/market/supply-rows.ts';
import type { Database } from '../../../src/broker/storage/database.ts';
import { addTestPrincipal } from '../../fixtures/broker-http.ts';
import { testDatabase } from '../../fixtures/database.ts';
import { addGpu, addNode, type TestGpu, type TestNode } from '../../fixtures/registry.ts';

async function setUp() {
  const { db } = await testDatabase();
  const { accountId } = await addTestPrincipal(db, 'provider');
  return { db, accountId, node: await addNode(db, accountId) };
}

const supplyOf = async (db: Database, { nodeId }: TestNode) => (await readNodes(db, [nodeId])).get(nodeId);

test('a node has what its registered rows say, GPUs in the order of their names', async () => {
  const { db, accountId, node } = await setUp();
  const second = await addGpu(db, node, { name: 'gpu-b', label: 'measured', score: 87 });
  const first = await addGpu(db, node, { name: 'gpu-a', compute_processes: 1 });
  await addGpu(db, node, { name: 'gpu-c', product: null });
  await addGpu(db, node, { name: 'gpu-d', removed_at: new Date() });
  const { nodeId, clusterId, providerId } = node;
  const common = { product: 'H100-SXM5-80GB', sellable: true };
  expect(await supplyOf(db, node)).toEqual({
    decommissioned: false,
    supply: {
      nodeId,
      clusterId,
      providerId,
      accountId,
      region: 'eu-north-1',
      gpus: [
        { ...common, id: first, label: 'self-reported', score: 0, occupied: true },
        { ...common, id: second, label: 'measured', score: 87, occupied: false },
      ],
    },
  });
});

test.each<[string, TestGpu, { sellable: boolean; occupied: boolean }]>([
  ['a healthy one', {}, { sellable: true, occupied: false }],
  ['one in maintenance', { status: 'maintenance' }, { sellable: false, occupied: false }],
  ['an unhealthy one', { health: 'unhealthy' }, { sellable: false, occupied: false }],
  ['one of unknown health', { health: 'unknown' }, { sellable: false, occupied: false }],
  ['one that is split into instances', { mig: true }, { sellable: false, occupied: false }],
  ['one whose MIG is off', { mig: false }, { sellable: true, occupied: false }],
  ['one without a process', { compute_processes: 0 }, { sellable: true, occupied: false }],
  ['one with a process', { compute_processes: 2 }, { sellable: true, occupied: true }],
  ['one that no pod holds', { pod_allocation: 'none' }, { sellable: true, occupied: false }],
  ['one that a pod holds', { pod_allocation: 'held' }, { sellable: true, occupied: true }],
  [
    'one of which nobody knows whether a pod holds it',
    { pod_allocation: 'unknown' },
    { sellable: true, occupied: true },
  ],
])('of a node in service, %s', async (_name, given, expected) => {
  const { db, node } = await setUp();
  await addGpu(db, node, given);
  expect((await supplyOf(db, node))?.supply.gpus).toMatchObject([expected]);
});

test('an instance is sold like its whole GPU would be, but not while that is in maintenance', async () => {
  const { db, node } = await setUp();
  const whole = await addGpu(db, node, { name: 'gpu-a', mig: true });
  await addGpu(db, node, { name: 'mig-a', parent: 'gpu-a', mig: true, product: 'H100-SXM5-80GB-MIG-1g.10gb' });
  expect((await supplyOf(db, node))?.supply.gpus).toMatchObject([{ sellable: false }, { sellable: true }]);
  await db.updateTable('gpus').set({ status: 'maintenance' }).where('id', '=', whole).execute();
  expect((await supplyOf(db, node))?.supply.gpus).toMatchObject([{ sellable: false }, { sellable: false }]);
});

test.each([
  ['healthy', { status: 'healthy' }, true],
  ['degraded', { status: 'degraded' }, true],
  ['offline', { status: 'offline' }, false],
  ['cordoned', { cordoned: true }, false],
  ['draining', { draining: true }, false],
] as const)('a node that is %s', async (_name, given, sellable) => {
  const { db, node } = await setUp();
  await addGpu(db, node);
  await db.updateTable('nodes').set(given).where('id', '=', node.nodeId).execute();
  expect((await supplyOf(db, node))?.supply.gpus).toMatchObject([{ sellable }]);
});

test.each([
  ['verified', true],
  ['pending_kyc', false],
  ['suspended', false],
] as const)('a provider that is %s', async (status, sellable) => {
  const { db, node } = await setUp();
  await addGpu(db, node);
  await db.updateTable('providers').set({ status }).where('id', '=', node.providerId).execute();
  expect((await supplyOf(db, node))?.supply.gpus).toMatchObject([{ sellable }]);
});

test('pages of nodes have those of the registry and those that the market alone still knows', async () => {
  const { db, accountId, node } = await setUp();
  const other = await addNode(db, accountId);
  const gone = { supplied: '00000000-0000-7000-8000-000000000001', priced: 'ffffffff-0000-7000-8000-000000000001' };
  await db.insertInto('node_supply').values({ node_id: gone.supplied, supply: '{}' }).execute();
  await db.insertInto('node_pricing').values({ node_id: gone.priced, pricing: '{}' }).execute();
  await db.insertInto('node_pricing').values({ node_id: node.nodeId, pricing: '{}' }).execute();
  const all = [gone.supplied, ...[node.nodeId, other.nodeId].sort(), gone.priced];
  const first = await pageOfNodes(db, '00000000-0000-0000-0000-000000000000', 3);
  expect([...first, ...(await pageOfNodes(db, first.at(-1) ?? '', 3))]).toEqual(all);
  expect((await readNodes(db, all)).size).toBe(2);
  expect(await nodesOf(db, 'provider', node.providerId)).toEqual([node.nodeId]);
  expect(await nodesOf(db, 'cluster', other.clusterId)).toEqual([other.nodeId]);
});
