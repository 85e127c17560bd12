// Thresholds are read from the latest telemetry, the nodes and the GPUs, each rule in its scope.
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import type { ThresholdCondition } from '../../../src/api/alerts.ts';
import type { Rule } from '../../../src/broker/alerts/findings.ts';
import { readMeasurements } from '../../../src/broker/alerts/readings.ts';
import { newId } from '../../../src/broker/ids.ts';
import type { Database } from '../../../src/broker/storage/database.ts';
import { addSupply } from '../../fixtures/broker-supply.ts';
import { testDatabase } from '../../fixtures/database.ts';

const now = new Date('2026-01-05T09:00:00Z');

const rule = (condition: Partial<ThresholdCondition>, accountId: string | null = null): Rule => ({
  id: newId(),
  accountId,
  name: 'a rule',
  condition: { type: 'threshold', metric: 'gpu_temperature_celsius', comparison: 'above', value: 85, ...condition },
  groupBy: 'rule',
  groupWait: 0,
  repeatInterval: 60,
  maxNoticesPerHour: 20,
  mutedUntil: null,
});

async function addTelemetry(db: Database, nodeId: string, secondsAgo: number, celsius: number | null) {
  const at = new Date(now.getTime() - secondsAgo * 1000);
  await sql`insert into telemetry values (${nodeId}, ${at}, array['gpu-0'], array[50], array[40], array[1000],
    array[${celsius}::smallint], array[300000], array[1000], array[1000])`.execute(db);
}

test('of telemetry the latest counts, if it is fresh', async () => {
  const { db } = await testDatabase();
  await sql`create table telemetry_here partition of telemetry default`.execute(db);
  const { nodeIds, gpuIds, accountId, clusterId } = await addSupply(db, { nodes: 5 });
  const [hot = '', cooled = '', stale = '', silent = '', cool = ''] = nodeIds;
  await addTelemetry(db, hot, 5, 90);
  await addTelemetry(db, hot, 30, 20);
  await addTelemetry(db, cooled, 30, 95);
  await addTelemetry(db, cooled, 5, 60);
  await addTelemetry(db, stale, 600, 95);
  await addTelemetry(db, silent, 5, null);
  await addTelemetry(db, cool, 5, 30);
  const above = rule({}, accountId);
  const below = rule({ comparison: 'below', value: 40 });
  const power = rule({ metric: 'gpu_power_milliwatts', value: 299_999, gpu_id: gpuIds[4] ?? '' });
  const others = rule({}, newId());
  const elsewhere = rule({ cluster_id: newId() });
  const found = await readMeasurements(db, [above, below, power, others, elsewhere], now);
  expect(found.map(({ ruleId, subject, value }) => [ruleId, subject, value]).sort()).toEqual(
    [
      [above.id, `gpu:${gpuIds[0]}`, 90],
      [below.id, `gpu:${gpuIds[4]}`, 30],
      [power.id, `gpu:${gpuIds[4]}`, 300_000],
    ].sort(),
  );
  expect(found[0]).toMatchObject({ accountId, clusterId, title: expect.stringContaining('of node-') });
});

test('nodes and GPUs are counted a cluster, and clocks compared', async () => {
  const { db } = await testDatabase();
  const { nodeIds, gpuIds, clusterId } = await addSupply(db, { nodes: 4 });
  const other = await addSupply(db);
  const [first = '', second = '', third = ''] = nodeIds;
  await db.updateTable('nodes').set({ status: 'offline' }).where('id', 'in', [first, second]).execute();
  await db
    .updateTable('gpus')
    .set({ health: 'unhealthy' })
    .where('id', '=', gpuIds[0] ?? '')
    .execute();
  await db.updateTable('nodes').set({ clock_skew_ms: -7000 }).where('id', '=', third).execute();
  const offline = rule({ metric: 'nodes_offline', value: 1 });
  const unhealthy = rule({ metric: 'gpus_unhealthy', value: 0, cluster_id: clusterId });
  const skew = rule({ metric: 'node_clock_skew_ms', value: 5000 });
  const found = await readMeasurements(db, [offline, unhealthy, skew], now);
  expect(found.map(({ ruleId, subject, value }) => [ruleId, subject, value]).sort()).toEqual(
    [
      [offline.id, `cluster:${clusterId}`, 2],
      [offline.id, `cluster:${other.clusterId}`, 0],
      [unhealthy.id, `cluster:${clusterId}`, 1],
      [skew.id, `node:${third}`, 7000],
    ].sort(),
  );
});
