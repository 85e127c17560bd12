// Statuses follow the beats, by a clock that the test turns.
import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { testDatabase } from '../../../fixtures/database.ts';
import {
  beatOf,
  gpu,
  insertNodes,
  insertPlace,
  joinedNode,
  newIngest,
  nodeRow,
  openIncidents,
  snapshot,
  TestClock,
} from './fixture.ts';

async function setUp(count = 1) {
  const { db } = await testDatabase();
  const clock = new TestClock();
  const place = await insertPlace(db, clock);
  const nodeIds = await insertNodes(db, clock, place, count);
  const registry = new Registry();
  const ingest = newIngest(db, clock, { registry });
  await Promise.all(nodeIds.map((id) => ingest.joined(joinedNode(place, id, clock))));
  const status = async (nodeId: string) => (await nodeRow(db, nodeId)).status;
  return { db, clock, place, ingest, registry, nodeIds, nodeId: nodeIds[0] ?? '', status };
}

/** Lets time pass as a broker would see it: with a look every second. */
async function pass(clock: TestClock, ingest: { tick(): Promise<void> }, seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second++) {
    clock.advance(1000);
    await ingest.tick();
  }
}

test('three missed beats make a node offline, and the next beat brings it back', async () => {
  const { db, clock, ingest, nodeId, status } = await setUp();
  await ingest.snapshot(nodeId, 'spool', snapshot(0, [gpu('gpu-a', 'unknown')]));
  expect(await openIncidents(db)).toEqual(['gpu-unknown', 'node-degraded']);
  await pass(clock, ingest, 9);
  expect(await status(nodeId)).toBe('degraded');
  ingest.left(nodeId, 'process', 'connection reset');
  await pass(clock, ingest, 1);
  expect(await nodeRow(db, nodeId)).toMatchObject({
    status: 'offline',
    status_reason: 'its stream ended: connection reset',
  });
  expect(await openIncidents(db)).toEqual(['gpu-unknown', 'node-offline']);
  clock.advance(500);
  ingest.beat(nodeId, beatOf(clock));
  await ingest.tick();
  expect(await status(nodeId)).toBe('degraded');
  const changes = await db.selectFrom('node_status_changes').select(['status']).orderBy('at').execute();
  expect(changes.map(({ status }) => status)).toEqual(['degraded', 'offline', 'degraded']);
  expect(await openIncidents(db)).toEqual(['gpu-unknown', 'node-degraded']);
});

test('a reconnect within nine seconds changes nothing', async () => {
  const { db, clock, place, ingest, nodeId } = await setUp();
  await pass(clock, ingest, 7);
  ingest.left(nodeId, 'process', 'gone');
  await pass(clock, ingest, 2);
  await ingest.joined(joinedNode(place, nodeId, clock));
  await pass(clock, ingest, 8);
  expect(await db.selectFrom('node_status_changes').select('status').execute()).toEqual([{ status: 'healthy' }]);
});

test('after a restart of the broker nodes have the time of their back-off to come back', async () => {
  const { db, clock, ingest, nodeIds, status } = await setUp(2);
  const [back = '', lost = ''] = nodeIds;
  await ingest.close();
  clock.advance(3_600_000);
  const next = newIngest(db, clock);
  await next.start();
  await pass(clock, next, 44);
  expect(await status(lost)).toBe('healthy');
  next.beat(back, beatOf(clock));
  await pass(clock, next, 3);
  expect([await status(back), await status(lost)]).toEqual(['healthy', 'offline']);
  await next.close();
});

test('a broker that stood still, or whose clock jumped, blames nobody', async () => {
  const { clock, ingest, nodeId, status } = await setUp();
  clock.advance(60_000);
  await ingest.tick();
  expect(await status(nodeId)).toBe('healthy');
  clock.advance(-3_600_000);
  await ingest.tick();
  await pass(clock, ingest, 8);
  expect(await status(nodeId)).toBe('healthy');
  await pass(clock, ingest, 2);
  expect(await status(nodeId)).toBe('offline');
});

test('a cut of the whole network is one batch', async () => {
  const { db, clock, ingest, registry, nodeIds } = await setUp(1500);
  const batches = async () =>
    (await registry.getSingleMetricAsString('gpubroker_ingest_batch_seconds')).match(/_count (\d+)/)?.[1];
  await pass(clock, ingest, 9);
  const before = Number(await batches());
  await pass(clock, ingest, 1);
  expect(Number(await batches()) - before).toBe(1);
  const offline = await db.selectFrom('nodes').select('id').where('status', '=', 'offline').execute();
  expect(offline).toHaveLength(nodeIds.length);
  expect(new Set(await openIncidents(db))).toEqual(new Set(['node-offline']));
  const metrics = await registry.getSingleMetricAsString('gpubroker_nodes');
  expect(metrics).toContain('gpubroker_nodes{status="offline"} 1500');
});

test('a wrong clock degrades a node until it is well right again', async () => {
  const { db, clock, ingest, nodeId } = await setUp();
  const ahead = async (milliseconds: number) => {
    clock.advance(1000);
    ingest.beat(nodeId, beatOf(clock, { nodeTime: new Date(clock.now().getTime() + milliseconds) }));
    await ingest.tick();
    const { status, status_reason } = await nodeRow(db, nodeId);
    return [status, status_reason, ...(await openIncidents(db))];
  };
  expect(await ahead(5_000)).toEqual(['healthy', '']);
  const wrong = ['degraded', 'its clock is more than 5 s off', 'clock-skew', 'node-degraded'];
  expect(await ahead(-5_001)).toEqual(wrong);
  expect(await ahead(-3_000)).toEqual(wrong);
  expect(await ahead(1_000)).toEqual(['healthy', '']);
});

test('what beats say is written down at once for all', async () => {
  const { db, clock, ingest, nodeId } = await setUp();
  clock.advance(1000);
  ingest.beat(nodeId, beatOf(clock, { roundTripMicros: 800, nodeTime: new Date(clock.now().getTime() + 40) }));
  ingest.beat(nodeId, beatOf(clock, { roundTripMicros: 2400, nodeTime: new Date(clock.now().getTime() + 40) }));
  await ingest.flush();
  const row = await nodeRow(db, nodeId);
  expect(row).toMatchObject({ round_trip_micros: 900, clock_skew_ms: 40, last_seen_at: clock.now() });
});

test('dropped telemetry is an incident that ends when nothing more is dropped', async () => {
  const { db, clock, ingest, nodeId } = await setUp();
  const beats = async (seconds: number, telemetryDropped: bigint) => {
    for (let second = 0; second < seconds; second += 3) {
      clock.advance(2_900);
      ingest.beat(nodeId, beatOf(clock, { telemetryDropped }));
      await ingest.tick();
    }
  };
  await beats(3, 7n);
  expect(await openIncidents(db)).toEqual(['telemetry-dropped']);
  expect(await nodeRow(db, nodeId)).toMatchObject({ telemetry_dropped: 7, status: 'healthy' });
  await beats(660, 7n);
  expect(await openIncidents(db)).toEqual([]);
});
