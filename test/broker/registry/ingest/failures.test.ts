// When the database fails: nothing is acknowledged that is not stored, nothing is lost, nothing is stored twice.
import { sql } from 'kysely';
import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import type { IngestService } from '../../../../src/broker/registry/ingest/ingest.ts';
import { openDatabase } from '../../../../src/broker/storage/database.ts';
import { createTestDatabase, testDatabase } from '../../../fixtures/database.ts';
import {
  change,
  gpu,
  insertNodes,
  insertPlace,
  joinedNode,
  journalKinds,
  newIngest,
  nodeRow,
  shownGpus,
  snapshot,
  TestClock,
} from './fixture.ts';

test('a message that cannot be stored fails alone', async () => {
  const { db } = await testDatabase();
  const clock = new TestClock();
  const place = await insertPlace(db, clock);
  const nodeIds = await insertNodes(db, clock, place, 3);
  const ingest = newIngest(db, clock);
  for (const nodeId of nodeIds) await ingest.joined(joinedNode(place, nodeId, clock));
  await sql`alter table gpus add constraint poison check (serial <> 'poison')`.execute(db);
  const answers = await Promise.allSettled(
    nodeIds.map((nodeId, place) =>
      ingest.snapshot(
        nodeId,
        'spool',
        snapshot(0, [gpu(`gpu-${place}`, 'healthy', { serial: place === 1 ? 'poison' : 'good' })]),
      ),
    ),
  );
  expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  const shown = await Promise.all(nodeIds.map((nodeId) => shownGpus(db, nodeId)));
  expect(shown).toEqual([{ 'gpu-0': 'healthy' }, {}, { 'gpu-2': 'healthy' }]);
  // The node whose message was poison can go on.
  await ingest.snapshot(nodeIds[1] ?? '', 'spool', snapshot(0, [gpu('gpu-1')]));
  expect(await shownGpus(db, nodeIds[1] ?? '')).toEqual({ 'gpu-1': 'healthy' });
});

test('connections that are killed while batches are written lose and double nothing', async () => {
  const { url, drop } = await createTestDatabase();
  const watching = openDatabase({ url, maxConnections: 2 });
  const working = openDatabase({ url: `${url}&application_name=victim`, maxConnections: 3, onError: () => {} });
  const { db } = watching;
  const clock = new TestClock();
  const place = await insertPlace(db, clock);
  const nodeIds = await insertNodes(db, clock, place, 8);
  const registry = new Registry();
  const ingest = newIngest(working.db, clock, { registry });
  const kill = () =>
    sql`select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and state <> 'idle'`.execute(db);
  let finished = false;
  const killing = (async () => {
    for (let round = 0; round < 40 && !finished; round++) {
      await kill();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  })();
  const steps = 12;
  const live = async (nodeId: string) => {
    await ingest.joined(joinedNode(place, nodeId, clock));
    await ingest.snapshot(nodeId, 'spool', snapshot(0, []));
    for (let step = 1; step <= steps; step++) {
      const what = gpu(`gpu-${step % 3}`, step % 2 === 0 ? 'healthy' : 'unhealthy');
      expect(await ingest.changes(nodeId, 'spool', [change(step, what)])).toBe('stored');
    }
  };
  await Promise.all(nodeIds.map(live));
  finished = true;
  await killing;
  await ingest.close();
  for (const nodeId of nodeIds) {
    expect(await nodeRow(db, nodeId)).toMatchObject({ change_sequence: steps, status: 'degraded' });
    const events = await db.selectFrom('journal').select('kind').where('node_id', '=', nodeId).execute();
    expect(events.filter(({ kind }) => kind.startsWith('gpu.'))).toHaveLength(steps);
    expect(events.filter(({ kind }) => kind === 'node.joined')).toHaveLength(1);
  }
  expect(await registry.getSingleMetricAsString('gpubroker_ingest_errors_total')).toContain('outcome="retried"');
  await watching.close();
  await working.close();
  await drop();
});

test('callers wait for a database that is away, and are refused when patience ends', async () => {
  const gone = openDatabase({ url: 'postgres://nobody@127.0.0.1:1/nothing', onError: () => {} });
  const clock = new TestClock();
  const place = { providerId: 'p', clusterId: 'c' };
  const ingest = newIngest(gone.db, clock, { patienceMs: 200 });
  const refused = { kind: 'unavailable', code: 'GPUB_INGEST_UNAVAILABLE', details: { retryAfter: 5 } };
  await expect(ingest.joined(joinedNode(place, 'n', clock))).rejects.toMatchObject(refused);
  await ingest.close();
  await gone.close();
});

test('a broker that does not lead any more stores nothing', async () => {
  const { db } = await testDatabase();
  const clock = new TestClock();
  const place = await insertPlace(db, clock);
  const nodeIds = await insertNodes(db, clock, place, 2);
  const leaderCheck = () => Promise.reject(new Error('another broker leads'));
  const ingest: IngestService = newIngest(db, clock, { leaderCheck });
  const joins = await Promise.allSettled(nodeIds.map((nodeId) => ingest.joined(joinedNode(place, nodeId, clock))));
  expect(joins).toMatchObject(nodeIds.map(() => ({ status: 'rejected', reason: { kind: 'unavailable' } })));
  expect(await journalKinds(db)).toEqual([]);
});

test('closing does not wait for a database that is away', async () => {
  const gone = openDatabase({ url: 'postgres://nobody@127.0.0.1:1/nothing', onError: () => {} });
  const clock = new TestClock();
  const ingest = newIngest(gone.db, clock, { closeMs: 100 });
  const waiting = ingest.joined(joinedNode({ providerId: 'p', clusterId: 'c' }, 'n', clock));
  await Promise.all([
    expect(waiting).rejects.toMatchObject({
      kind: 'unavailable',
      message: expect.stringContaining('the broker is stopping'),
    }),
    ingest.close(),
  ]);
  await gone.close();
});
