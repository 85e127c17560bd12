// What nodes report ends up in the database and in the journal, once and in order.

import { expect, test } from 'vitest';
import { Device } from '../../../../src/wire/gpubroker/device/v1/device_details.ts';
import { testDatabase } from '../../../fixtures/database.ts';
import {
  change,
  gpu,
  insertNodes,
  insertPlace,
  joinedNode,
  journalKinds,
  newIngest,
  nodeRow,
  openIncidents,
  shownGpus,
  snapshot,
  TestClock,
} from './fixture.ts';

async function setUp() {
  const { db } = await testDatabase();
  const clock = new TestClock();
  const place = await insertPlace(db, clock);
  const [nodeId = ''] = await insertNodes(db, clock, place, 1);
  const ingest = newIngest(db, clock);
  const join = (more = {}) => ingest.joined(joinedNode(place, nodeId, clock, more));
  return { db, clock, place, nodeId, ingest, join };
}

test('a node that joins is online, and its first snapshot fills the inventory', async () => {
  const { db, nodeId, ingest, join } = await setUp();
  expect(await join()).toEqual({ changeSequence: 0n, telemetrySequence: 0n, cordoned: false, draining: false });
  await ingest.snapshot(nodeId, 'spool', snapshot(3, [gpu('gpu-a'), gpu('gpu-b')]));
  expect(await shownGpus(db, nodeId)).toEqual({ 'gpu-a': 'healthy', 'gpu-b': 'healthy' });
  const row = await nodeRow(db, nodeId);
  expect(row).toMatchObject({ status: 'healthy', change_sequence: 3, machine_id: 'machine', ip_address: '10.0.0.1' });
  const [stored] = await db.selectFrom('gpus').selectAll().orderBy('name').execute();
  expect(stored).toMatchObject({
    region: 'eu-1',
    label: 'self-reported',
    status: 'available',
    memory_bytes: 85_520_809_984,
  });
  expect(stored?.product).toBe('H100-SXM5-80GB');
  expect(await journalKinds(db)).toEqual(['node.joined', 'node.status', 'gpu.added', 'gpu.added']);
});

test('the same snapshot again, and another stream of the same process, change nothing', async () => {
  const { db, nodeId, ingest, join } = await setUp();
  await join();
  await ingest.snapshot(nodeId, 'spool', snapshot(0, [gpu('gpu-a')]));
  const before = await journalKinds(db);
  expect((await join()).changeSequence).toBe(0n);
  await ingest.snapshot(nodeId, 'spool', snapshot(0, [{ ...gpu('gpu-a'), resourceVersion: '99' }]));
  expect(await journalKinds(db)).toEqual(before);
});

test('changes apply in order; repeated ones are skipped, and a gap stores what came before it', async () => {
  const { db, nodeId, ingest, join } = await setUp();
  await join();
  await ingest.snapshot(nodeId, 'spool', snapshot(1, [gpu('gpu-a')]));
  const changes = [change(1, gpu('gpu-z')), change(2, gpu('gpu-b')), change(3, gpu('gpu-a', 'unhealthy'))];
  expect(await ingest.changes(nodeId, 'spool', changes)).toBe('stored');
  expect(await ingest.changes(nodeId, 'spool', changes)).toBe('stored');
  expect(await ingest.changes(nodeId, 'spool', [change(4, 'gpu-b'), change(6, 'gpu-a')])).toBe('gap');
  expect(await shownGpus(db, nodeId)).toEqual({ 'gpu-a': 'unhealthy' });
  const row = await nodeRow(db, nodeId);
  expect(row).toMatchObject({ change_sequence: 4, status: 'degraded', status_reason: '1 of 1 GPUs unhealthy' });
});

test('a GPU that comes back keeps its id, its label and what its owner decided', async () => {
  const { db, nodeId, ingest, join } = await setUp();
  await join();
  await ingest.snapshot(nodeId, 'spool', snapshot(0, [gpu('gpu-a')]));
  await db.updateTable('gpus').set({ label: 'measured', status: 'maintenance' }).execute();
  const before = await db.selectFrom('gpus').select('id').executeTakeFirstOrThrow();
  await ingest.changes(nodeId, 'spool', [change(1, 'gpu-a')]);
  expect(await openIncidents(db)).toEqual(['gpu-removed']);
  await ingest.changes(nodeId, 'spool', [change(2, gpu('gpu-a'))]);
  const after = await db.selectFrom('gpus').selectAll().executeTakeFirstOrThrow();
  expect(after).toMatchObject({ ...before, label: 'measured', status: 'maintenance', removed_at: null });
  expect(await openIncidents(db)).toEqual([]);
});

test('a card that was dead when its agent started is still known for what it is', async () => {
  const { db, nodeId, ingest, join } = await setUp();
  await join();
  const whole = gpu('gpu-a', 'healthy', { serial: '1652' });
  await ingest.snapshot(nodeId, 'spool', snapshot(0, [whole]));
  const before = await db.selectFrom('gpus').selectAll().executeTakeFirstOrThrow();
  const dead = Device.fromPartial({ name: 'gpu-a', uuid: before.uuid, health: 'unhealthy' });
  await ingest.snapshot(nodeId, 'spool', snapshot(0, [{ ...whole, device: dead }]));
  const after = await db.selectFrom('gpus').selectAll().executeTakeFirstOrThrow();
  expect(after).toMatchObject({ health: 'unhealthy', serial: '1652', model: before.model, source: before.source });
  expect(after).toMatchObject({ memory_bytes: before.memory_bytes, product: before.product });
  expect(before.source).not.toBe(null);
});

test('a snapshot from before what is stored is left out', async () => {
  const { db, nodeId, ingest, join } = await setUp();
  await join();
  await ingest.snapshot(nodeId, 'spool', snapshot(0, [gpu('gpu-a')]));
  await ingest.changes(nodeId, 'spool', [change(1, gpu('gpu-b'))]);
  await ingest.snapshot(nodeId, 'spool', snapshot(0, [gpu('gpu-a')]));
  expect(await shownGpus(db, nodeId)).toEqual({ 'gpu-a': 'healthy', 'gpu-b': 'healthy' });
});

test('a new spool begins again, and messages of the old one are refused', async () => {
  const { db, nodeId, ingest, join } = await setUp();
  await join();
  await ingest.snapshot(nodeId, 'spool', snapshot(7, [gpu('gpu-a')]));
  expect((await join({ spoolId: 'other' })).changeSequence).toBe(0n);
  await expect(ingest.changes(nodeId, 'spool', [change(8, 'gpu-a')])).rejects.toMatchObject({ kind: 'conflict' });
  expect(await ingest.changes(nodeId, 'other', [change(1, gpu('gpu-b'))])).toBe('stored');
  expect(await nodeRow(db, nodeId)).toMatchObject({ spool_id: 'other', change_sequence: 1 });
});

test('who is not registered, or was decommissioned, is refused', async () => {
  const { db, clock, place, nodeId, ingest, join } = await setUp();
  const stranger = joinedNode(place, '0198c5a4-7d2f-7c3e-9b1a-4f5d6e7a8b9c', clock);
  await expect(ingest.joined(stranger)).rejects.toMatchObject({ kind: 'not-found' });
  await join();
  await ingest.snapshot(nodeId, 'spool', snapshot(0, [gpu('gpu-a', 'unhealthy')]));
  const told: unknown[] = [];
  ingest.onStanding((...words) => told.push(words));
  await db.updateTable('nodes').set({ decommissioned_at: clock.now() }).execute();
  ingest.heard([{ kind: 'node.changed', nodeId }]);
  await ingest.idle();
  expect(told).toEqual([[nodeId, 'decommissioned']]);
  expect(await shownGpus(db, nodeId)).toEqual({});
  expect(await openIncidents(db)).toEqual([]);
  expect(await nodeRow(db, nodeId)).toMatchObject({ status: 'offline', status_reason: 'decommissioned' });
  await expect(join()).rejects.toMatchObject({ kind: 'not-found' });
});

test('a cordon by another process is heard in the journal', async () => {
  const { db, nodeId, ingest, join } = await setUp();
  await join();
  const told: unknown[] = [];
  ingest.onStanding((...words) => told.push(words));
  await db.updateTable('nodes').set({ cordoned: true }).execute();
  ingest.heard([
    { kind: 'node.changed', nodeId },
    { kind: 'gpu.changed', nodeId },
  ]);
  await ingest.idle();
  expect(told).toEqual([[nodeId, { cordoned: true, draining: false }]]);
  ingest.heard([{ kind: 'node.changed', nodeId }]);
  await ingest.idle();
  expect(told).toHaveLength(1);
});

test('what a node makes up is stored harmlessly or refused alone', async () => {
  const { db, nodeId, ingest, join } = await setUp();
  await join();
  const odd = gpu('gpu-a', 'healthy', { model: ' a\0b\ud800 ', serial: 'x'.repeat(10_000), numaNode: 4_294_967_295 });
  await ingest.snapshot(nodeId, 'spool', snapshot(0, [odd]));
  const stored = await db.selectFrom('gpus').selectAll().executeTakeFirstOrThrow();
  expect(stored).toMatchObject({ model: 'a\uFFFDb\uFFFD', numa_node: null });
  expect(stored.serial).toHaveLength(253);
  const nameless = ingest.snapshot(nodeId, 'spool', snapshot(1, [gpu('')]));
  const twice = ingest.snapshot(nodeId, 'spool', snapshot(1, [gpu('gpu-a'), gpu('gpu-a')]));
  const good = ingest.changes(nodeId, 'spool', [change(1, gpu('gpu-c'))]);
  await expect(nameless).rejects.toMatchObject({ kind: 'invalid', details: { field: 'snapshot.gpus[0].device.name' } });
  await expect(twice).rejects.toMatchObject({ kind: 'invalid' });
  expect(await good).toBe('stored');
});
