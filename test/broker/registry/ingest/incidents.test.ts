// What nodes report opens and closes incidents.
import { expect, test } from 'vitest';
import { testDatabase } from '../../../fixtures/database.ts';
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
} from './fixture.ts';

async function setUp(declared: { model: string; count: number; memory_gb?: number }[] = []) {
  const { db } = await testDatabase();
  const clock = new TestClock();
  const place = await insertPlace(db, clock);
  const nodeIds = await insertNodes(db, clock, place, 2, declared);
  const ingest = newIngest(db, clock);
  for (const id of nodeIds) await ingest.joined(joinedNode(place, id, clock));
  const [one = '', other = ''] = nodeIds;
  return { db, clock, place, ingest, one, other };
}

test('a GPU that falls ill and recovers within one message leaves a closed incident', async () => {
  const { db, ingest, one } = await setUp();
  await ingest.snapshot(one, 'spool', snapshot(0, [gpu('gpu-a')]));
  await ingest.changes(one, 'spool', [change(1, gpu('gpu-a', 'unhealthy')), change(2, gpu('gpu-a'))]);
  const incidents = await db.selectFrom('incidents').selectAll().execute();
  expect(incidents).toMatchObject([
    {
      kind: 'gpu-unhealthy',
      severity: 'critical',
      status: 'closed',
      closed_reason: 'its health is healthy',
      node_id: one,
    },
  ]);
  expect(incidents[0]?.title).toBe(`NVIDIA H100 80GB HBM3 gpu-a of ${one} is unhealthy`);
  expect(incidents[0]?.details).toMatchObject({ because: 'Ready is False: Answers' });
});

test('health that goes from unhealthy to unknown changes the incident', async () => {
  const { db, ingest, one } = await setUp();
  await ingest.snapshot(one, 'spool', snapshot(0, [gpu('gpu-a', 'unhealthy')]));
  expect(await openIncidents(db)).toEqual(['gpu-unhealthy', 'node-degraded']);
  await ingest.changes(one, 'spool', [change(1, gpu('gpu-a', 'unknown'))]);
  expect(await openIncidents(db)).toEqual(['gpu-unknown', 'node-degraded']);
  await ingest.changes(one, 'spool', [change(2, 'gpu-a')]);
  expect(await openIncidents(db)).toEqual(['gpu-removed']);
});

test('MIG instances come and go without an incident', async () => {
  const { db, ingest, one } = await setUp();
  await ingest.snapshot(one, 'spool', snapshot(0, [gpu('gpu-a'), gpu('mig-a', 'healthy', { parent: 'gpu-a' })]));
  await ingest.snapshot(one, 'spool', snapshot(1, [gpu('gpu-a')]));
  expect(await openIncidents(db)).toEqual([]);
});

test('a card on two nodes is an incident of both until one of them lets go', async () => {
  const { db, clock, place, ingest, one, other } = await setUp();
  await ingest.snapshot(one, 'spool', snapshot(0, [gpu('gpu-a'), gpu('gpu-b')]));
  await ingest.snapshot(other, 'spool', snapshot(0, [gpu('gpu-a')]));
  const incidents = await db.selectFrom('incidents').selectAll().where('kind', '=', 'duplicate-gpu').execute();
  const named = incidents.map(({ node_id, details }) => [node_id, details.also_on_node]);
  expect(named.sort()).toEqual(
    [
      [one, other],
      [other, one],
    ].sort(),
  );
  // A node that is offline shows nothing: the card may have moved.
  for (let second = 0; second < 10; second++) {
    clock.advance(1000);
    ingest.beat(other, { at: clock.now(), telemetryDropped: 0n });
    await ingest.tick();
  }
  expect(await openIncidents(db)).toEqual(['node-offline']);
  await ingest.joined(joinedNode(place, one, clock));
  expect(await openIncidents(db)).toEqual(['duplicate-gpu', 'duplicate-gpu']);
  await ingest.snapshot(one, 'spool', snapshot(1, [gpu('gpu-b')]));
  expect(await openIncidents(db)).toEqual(['gpu-removed']);
});

test("another provider's node is not named", async () => {
  const { db, clock, ingest, one } = await setUp();
  const elsewhere = await insertPlace(db, clock);
  const [foreign = ''] = await insertNodes(db, clock, elsewhere, 1);
  await ingest.joined(joinedNode(elsewhere, foreign, clock));
  await ingest.snapshot(one, 'spool', snapshot(0, [gpu('gpu-a')]));
  await ingest.snapshot(foreign, 'spool', snapshot(0, [gpu('gpu-a')]));
  const incidents = await db.selectFrom('incidents').selectAll().where('kind', '=', 'duplicate-gpu').execute();
  expect(incidents.map(({ provider_id }) => provider_id)).toHaveLength(2);
  expect(incidents.every(({ details }) => details.also_on_node === null)).toBe(true);
});

test('a node without the GPUs that were declared for it is an incident until they are there', async () => {
  const { db, ingest, one } = await setUp([{ model: 'H100', count: 2, memory_gb: 80 }]);
  await ingest.snapshot(one, 'spool', snapshot(0, [gpu('gpu-a'), gpu('gpu-l4', 'healthy', { model: 'NVIDIA L4' })]));
  const [incident] = await db.selectFrom('incidents').selectAll().execute();
  expect(incident).toMatchObject({ kind: 'inventory-mismatch', subject: `node:${one}` });
  expect(incident?.details.differences).toEqual([
    { model: 'H100', declared: 2, found: 1 },
    { model: null, declared: 0, found: 1 },
  ]);
  await ingest.changes(one, 'spool', [change(1, gpu('gpu-b')), change(2, 'gpu-l4')]);
  expect(await openIncidents(db)).toEqual(['gpu-removed']);
});

test('a declaration that is corrected closes the mismatch, and so does one that is taken back', async () => {
  const { db, ingest, one } = await setUp([{ model: 'H100', count: 2 }]);
  const declare = async (declared: object[]) => {
    const declared_gpus = JSON.stringify(declared);
    await db.updateTable('nodes').set({ declared_gpus }).where('id', '=', one).execute();
    ingest.heard([{ kind: 'node.changed', nodeId: one }]);
    await ingest.idle();
  };
  await ingest.snapshot(one, 'spool', snapshot(0, [gpu('gpu-a')]));
  expect(await openIncidents(db)).toEqual(['inventory-mismatch']);
  await declare([{ model: 'H100', count: 1 }]);
  expect(await openIncidents(db)).toEqual([]);
  await declare([{ model: 'H100', count: 3 }]);
  expect(await openIncidents(db)).toEqual(['inventory-mismatch']);
  await declare([]);
  expect(await openIncidents(db)).toEqual([]);
});
