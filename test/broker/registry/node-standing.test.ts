// What is left of a node that is decommissioned, and what its owner's word on a GPU survives.
import { expect, test } from 'vitest';
import type { Principal } from '../../../src/broker/identity/principal.ts';
import { newId } from '../../../src/broker/ids.ts';
import { setMaintenance } from '../../../src/broker/registry/gpu-changes.ts';
import { decommissionNode } from '../../../src/broker/registry/node-standing.ts';
import { updateNode } from '../../../src/broker/registry/nodes.ts';
import { testDatabase } from '../../fixtures/database.ts';
import {
  gpu,
  insertNodes,
  insertPlace,
  joinedNode,
  newIngest,
  openIncidents,
  snapshot,
  TestClock,
} from './ingest/fixture.ts';

async function setUp() {
  const { db } = await testDatabase();
  const clock = new TestClock();
  const place = await insertPlace(db, clock);
  const [nodeId = ''] = await insertNodes(db, clock, place, 1);
  const ingest = newIngest(db, clock);
  await ingest.joined(joinedNode(place, nodeId, clock));
  const accounts = await db.selectFrom('accounts').select('id').executeTakeFirstOrThrow();
  const id = newId();
  const principal: Principal = {
    kind: 'user',
    credentialId: id,
    userId: id,
    accountId: accounts.id,
    email: 'a@b',
    role: 'provider',
    scopes: [],
  };
  const streams = {
    disconnect: (node: string) => ingest.standingChanged(node, 'decommissioned'),
    pullInventory: async () => false,
    standing: () => {},
  };
  return { db, now: clock.now, clock, ingest, nodeId, principal, streams };
}

test('a node that is decommissioned leaves no incident open: its own, and those of its GPUs', async () => {
  const { ingest, nodeId, principal, ...context } = await setUp();
  await ingest.snapshot(nodeId, 'spool', snapshot(0, [gpu('gpu-a', 'unhealthy'), gpu('gpu-b', 'unknown')]));
  expect(await openIncidents(context.db)).toEqual(['gpu-unhealthy', 'gpu-unknown', 'node-degraded']);
  await decommissionNode(context, principal, nodeId);
  await ingest.idle();
  expect(await openIncidents(context.db)).toEqual([]);
  const told = await context.db.selectFrom('journal').select('kind').where('kind', '=', 'incident.closed').execute();
  expect(told).toHaveLength(3);
});

test('nothing is declared for a node that is decommissioned', async () => {
  const { nodeId, principal, ...context } = await setUp();
  await decommissionNode(context, principal, nodeId);
  const change = updateNode(context, principal, nodeId, { gpu_specs: [] });
  await expect(change).rejects.toMatchObject({ kind: 'conflict', code: 'GPUB_NODE_DECOMMISSIONED' });
});

test('maintenance outlives what the node reports, its restarts and an absence of the GPU', async () => {
  const { db, ingest, nodeId, principal, ...context } = await setUp();
  await ingest.snapshot(nodeId, 'spool', snapshot(0, [gpu('gpu-a'), gpu('gpu-b')]));
  const { id } = await db.selectFrom('gpus').select('id').where('name', '=', 'gpu-a').executeTakeFirstOrThrow();
  await setMaintenance({ db, ...context }, principal, id, { enabled: true });
  const statuses = async () => {
    const rows = await db.selectFrom('gpus').select('status').orderBy('name').execute();
    return rows.map(({ status }) => status);
  };
  await ingest.snapshot(nodeId, 'spool', snapshot(1, [gpu('gpu-a', 'unhealthy'), gpu('gpu-b', 'unknown')]));
  expect(await statuses()).toEqual(['maintenance', 'available']);
  await ingest.snapshot(nodeId, 'spool', snapshot(2, []));
  await ingest.snapshot(nodeId, 'spool', snapshot(3, [gpu('gpu-a'), gpu('gpu-b')]));
  expect(await statuses()).toEqual(['maintenance', 'available']);
  const told = await db
    .selectFrom('journal')
    .select('data')
    .where('gpu_id', '=', id)
    .where('kind', 'like', 'gpu.%')
    .orderBy('seq', 'desc')
    .execute();
  expect(told[0]?.data).toMatchObject({ status: 'maintenance' });
});
