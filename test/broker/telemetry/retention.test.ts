// Telemetry is kept as long as it says: partitions are made ahead of time, and dropped whole.
import { expect, test } from 'vitest';
import {
  createPartition,
  minuteTable,
  partitionOf,
  partitions,
  partitionsFrom,
  rawTable,
} from '../../../src/broker/telemetry/partitions.ts';
import { createPartitionsAhead, removeOldTelemetry } from '../../../src/broker/telemetry/retention.ts';
import { testDatabase } from '../../fixtures/database.ts';
import { createNodes, hour, noon, round, runningStore, timesOf } from '../../fixtures/telemetry.ts';

const retention = { raw: 48 * hour, minutes: 30 * 24 * hour, hours: 400 * 24 * hour };

test('partitions for today and the two days after are made, however often', async () => {
  const { pool } = await testDatabase();
  await Promise.all([createPartitionsAhead(pool, noon), createPartitionsAhead(pool, noon)]);
  expect((await partitions(pool, rawTable)).map(({ name }) => name)).toEqual([
    'telemetry_20260517',
    'telemetry_20260518',
    'telemetry_20260519',
  ]);
  const { rows } = await pool.query(
    "select count(*)::int from pg_inherits where inhparent = 'telemetry_rollups_1h'::regclass",
  );
  expect(rows).toEqual([{ count: 3 }]);
});

test('a month ends where the next begins, also in December', () => {
  const all = partitionsFrom({ name: 'telemetry_rollups_1h', unit: 'month' }, Date.UTC(2026, 10, 30), 3);
  expect(all.map(({ name }) => name.slice(-6))).toEqual(['202611', '202612', '202701']);
  expect(all.every(({ from }, place) => place === 0 || from === all[place - 1]?.to)).toBe(true);
});

test('what is older than it is kept goes, and nothing else', async () => {
  const database = await testDatabase();
  const { pool } = database;
  const { nodeId } = await createNodes(database);
  const store = runningStore(database);
  const times = [noon - 40 * hour, noon - 13 * hour, noon];
  await store.add(
    nodeId,
    'spool',
    times.map((at, place) => round(place + 1, { at })),
  );
  for (const days of [29, 31])
    await createPartition(pool, minuteTable, partitionOf(minuteTable, noon - days * 24 * hour));
  // Of the 15th the last reading is 36 hours old by now, of the 16th 12.
  expect(await removeOldTelemetry(pool, noon, { ...retention, raw: 36 * hour })).toEqual([
    'telemetry_20260515',
    'telemetry_rollups_1m_20260416',
  ]);
  expect(await timesOf(database, nodeId)).toEqual(times.slice(1));
  expect(await removeOldTelemetry(pool, noon, { ...retention, raw: 36 * hour })).toEqual([]);
});

test('a partition is dropped while others are written and read', async () => {
  const database = await testDatabase();
  const { nodeId } = await createNodes(database);
  const store = runningStore(database);
  await store.add(nodeId, 'spool', [round(1, { at: noon - 40 * hour }), round(2)]);
  const reader = await database.pool.connect();
  await reader.query("begin; declare slow cursor for select * from telemetry where at >= '2026-05-17'");
  const removing = removeOldTelemetry(database.pool, noon, { ...retention, raw: 24 * hour });
  await store.add(nodeId, 'spool', [round(3)]);
  await reader.query('commit');
  reader.release();
  expect(await removing).toEqual(['telemetry_20260515']);
  expect(await timesOf(database, nodeId)).toHaveLength(2);
});
