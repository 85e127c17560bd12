// Rolls telemetry up: readings to minutes, minutes to hours. Rows that come late have their hours rolled up again.
//
// Runs from one place at a time, in steps that each commit what they did, so that a run that is cut off is continued by
// the next. Periods are cut in UTC, whatever the time zone of the session.
import type pg from 'pg';
import { createPartition, hourTable, minuteTable, type PartitionedTable, partitionOf } from './partitions.ts';
import { readProgress, startOfHour, telemetryLock, writeProgress } from './progress.ts';

/** The key of the advisory lock of rollups: "roll" in ASCII. */
const rollupLock = 0x726f6c6c;
const minuteMs = 60_000;
const hourMs = 3_600_000;
/** How much one transaction rolls up while it catches up. */
const stepMs = 15 * minuteMs;
/** Late hours of nodes that one transaction takes. */
const lateHours = 500;

/** What a run did. */
export interface RollupRun {
  /** Up to where minutes are rolled up now, in milliseconds. */
  readonly through: number;
  /** Hours of nodes that were rolled up again. */
  readonly late: number;
}

/**
 * Rolls up every minute and hour that is over.
 * @param now milliseconds. @param oldest what is older is left out at the first run, milliseconds.
 * @param signal ends the run after the step in progress.
 */
export async function rollUp(pool: pg.Pool, now: number, oldest: number, signal?: AbortSignal): Promise<RollupRun> {
  const client = await pool.connect();
  try {
    await client.query('select pg_advisory_lock($1)', [rollupLock]);
    const through = Math.floor(now / minuteMs) * minuteMs;
    await claim(client, through);
    const start = (await readProgress(client, '1m')) ?? (await firstReading(client, oldest)) ?? through;
    await catchUp(client, start, through, signal);
    const late = await rollUpLate(client, signal);
    return { through, late };
  } finally {
    // The lock goes with the session.
    client.release(true);
  }
}

async function firstReading(client: pg.PoolClient, oldest: number): Promise<number | undefined> {
  const { rows } = await client.query<{ at: Date | null }>('select min(at) as at from telemetry where at >= $1', [
    new Date(oldest).toISOString(),
  ]);
  const at = rows[0]?.at?.getTime();
  return at === undefined ? undefined : startOfHour(at);
}

/** From here on, rows before `through` leave marks. */
async function claim(client: pg.PoolClient, through: number): Promise<void> {
  await transaction(client, async () => {
    await client.query('select pg_advisory_xact_lock($1)', [telemetryLock]);
    await writeProgress(client, 'claimed', through);
  });
}

async function catchUp(client: pg.PoolClient, start: number, through: number, signal?: AbortSignal): Promise<void> {
  // Nothing before the first reading, so neither are there hours.
  let hours = (await readProgress(client, '1h')) ?? startOfHour(start);
  for (let from = start; from < through && !signal?.aborted; ) {
    const to = Math.min(through, from + stepMs);
    await ensurePartitions(client, minuteTable, from, to);
    await ensurePartitions(client, hourTable, hours, to);
    const step = from;
    const hoursEnd = startOfHour(to);
    await transaction(client, async () => {
      await client.query(minutesOf('at >= $1 and at < $2'), [iso(step), iso(to)]);
      if (hoursEnd > hours) await client.query(hoursOf('at >= $1 and at < $2'), [iso(hours), iso(hoursEnd)]);
      await writeProgress(client, '1m', to);
      await writeProgress(client, '1h', hoursEnd);
    });
    hours = Math.max(hours, hoursEnd);
    from = to;
  }
}

async function rollUpLate(client: pg.PoolClient, signal?: AbortSignal): Promise<number> {
  let total = 0;
  for (let found = lateHours; found === lateHours && !signal?.aborted; total += found) {
    found = await transaction(client, () => someLate(client));
  }
  return total;
}

/** The marks first: the rows that a mark stands for were committed with it, so what comes after it sees them. */
async function someLate(client: pg.PoolClient): Promise<number> {
  const { rows } = await client.query<{ node_id: string; hour: Date }>(
    `with chosen as (select node_id, hour from telemetry_late group by node_id, hour limit $1),
     taken as (
       delete from telemetry_late as mark using chosen
       where mark.node_id = chosen.node_id and mark.hour = chosen.hour
     )
     select node_id, hour from chosen`,
    [lateHours],
  );
  const minutes = await readProgress(client, '1m');
  const hours = await readProgress(client, '1h');
  for (const { node_id, hour } of rows) {
    const from = hour.getTime();
    const to = Math.min(from + hourMs, minutes ?? 0);
    if (to <= from) continue;
    await ensurePartitions(client, minuteTable, from, to);
    await client.query(minutesOf('at >= $1 and at < $2 and node_id = $3'), [iso(from), iso(to), node_id]);
    if (from + hourMs > (hours ?? 0)) continue;
    await ensurePartitions(client, hourTable, from, to);
    await client.query(hoursOf('at >= $1 and at < $2 and node_id = $3'), [iso(from), iso(to), node_id]);
  }
  return rows.length;
}

const columns = [
  'samples',
  'utilization_count',
  'utilization_avg',
  'utilization_max',
  'memory_utilization_count',
  'memory_utilization_avg',
  'memory_used_count',
  'memory_used_avg',
  'memory_used_max',
  'temperature_count',
  'temperature_avg',
  'temperature_max',
  'power_count',
  'power_avg_milliwatts',
  'power_max_milliwatts',
  'memory_temperature_max',
  'energy_joules_max',
  'throttle_bits',
  'pcie_count',
  'pcie_tx_kilobytes_avg',
  'pcie_rx_kilobytes_avg',
  'nvlink_count',
  'nvlink_tx_kilobytes_avg',
  'nvlink_rx_kilobytes_avg',
  'ecc_corrected_max',
  'ecc_uncorrected_max',
] as const;

const insert = `insert into telemetry_rollups (period, node_id, gpu_name, at, ${columns.join(', ')})`;
const replace = `on conflict (period, node_id, at, gpu_name) do update set
  ${columns.map((column) => `${column} = excluded.${column}`).join(', ')}`;
/** Where periods are counted from; any midnight in UTC. */
const origin = "timestamptz '2000-01-01 00:00:00+00'";
/** A count column holds so many: more readings than one in two milliseconds do not come. */
const most = 32_767;

const counted = (value: string) => `least(count(${value}), ${most})::smallint`;
/** Of traffic both ways count, or neither: then one count is enough for two means. */
const meanOfBoth = (value: string, other: string) =>
  `round(avg(${value}) filter (where ${other} is not null))::integer`;

function minutesOf(where: string): string {
  return `${insert}
    select '1m', node_id, reading.gpu, date_bin('1 minute', at, ${origin}) as minute, count(*),
      ${counted('utilization')}, avg(utilization)::real, max(utilization),
      ${counted('memory_utilization')}, avg(memory_utilization)::real,
      ${counted('memory_used')}, round(avg(memory_used))::bigint, max(memory_used),
      ${counted('temperature')}, avg(temperature)::real, max(temperature),
      ${counted('power')}, round(avg(power))::integer, max(power),
      max(memory_temperature), max(energy), bit_or(throttle),
      ${counted('pcie_tx::bigint + pcie_rx')}, ${meanOfBoth('pcie_tx', 'pcie_rx')}, ${meanOfBoth('pcie_rx', 'pcie_tx')},
      ${counted('nvlink_tx::bigint + nvlink_rx')}, ${meanOfBoth('nvlink_tx', 'nvlink_rx')},
      ${meanOfBoth('nvlink_rx', 'nvlink_tx')},
      max(corrected), max(uncorrected)
    from telemetry, unnest(gpu_names, utilization_percent, memory_utilization_percent, memory_used_bytes,
      temperature_celsius, power_milliwatts, memory_temperature_celsius, energy_joules, throttle_bits, pcie_tx_kilobytes,
      pcie_rx_kilobytes, nvlink_tx_kilobytes, nvlink_rx_kilobytes, ecc_corrected, ecc_uncorrected)
      as reading (gpu, utilization, memory_utilization, memory_used, temperature, power, memory_temperature, energy,
        throttle, pcie_tx, pcie_rx, nvlink_tx, nvlink_rx, corrected, uncorrected)
    where ${where}
    group by node_id, reading.gpu, minute
    ${replace}`;
}

/** The mean of minutes, each with the weight of its readings. */
const weighted = (average: string, count: string) => `sum(${average}::float8 * ${count}) / nullif(sum(${count}), 0)`;
const summed = (count: string) => `least(sum(${count}), ${most})::smallint`;

function hoursOf(where: string): string {
  return `${insert}
    select '1h', node_id, gpu_name, date_bin('1 hour', at, ${origin}) as hour, sum(samples),
      ${summed('utilization_count')}, (${weighted('utilization_avg', 'utilization_count')})::real, max(utilization_max),
      ${summed('memory_utilization_count')},
      (${weighted('memory_utilization_avg', 'memory_utilization_count')})::real,
      ${summed('memory_used_count')}, round(${weighted('memory_used_avg', 'memory_used_count')})::bigint,
      max(memory_used_max),
      ${summed('temperature_count')}, (${weighted('temperature_avg', 'temperature_count')})::real, max(temperature_max),
      ${summed('power_count')}, round(${weighted('power_avg_milliwatts', 'power_count')})::integer,
      max(power_max_milliwatts),
      max(memory_temperature_max), max(energy_joules_max), bit_or(throttle_bits),
      ${summed('pcie_count')}, round(${weighted('pcie_tx_kilobytes_avg', 'pcie_count')})::integer,
      round(${weighted('pcie_rx_kilobytes_avg', 'pcie_count')})::integer,
      ${summed('nvlink_count')}, round(${weighted('nvlink_tx_kilobytes_avg', 'nvlink_count')})::integer,
      round(${weighted('nvlink_rx_kilobytes_avg', 'nvlink_count')})::integer,
      max(ecc_corrected_max), max(ecc_uncorrected_max)
    from telemetry_rollups
    where period = '1m' and ${where}
    group by node_id, gpu_name, hour
    ${replace}`;
}

async function ensurePartitions(client: pg.PoolClient, table: PartitionedTable, from: number, to: number) {
  for (let partition = partitionOf(table, from); ; partition = partitionOf(table, partition.to)) {
    await createPartition(client, table, partition);
    if (partition.to >= to) return;
  }
}

async function transaction<Result>(client: pg.PoolClient, work: () => Promise<Result>): Promise<Result> {
  await client.query('begin isolation level read committed');
  try {
    const result = await work();
    await client.query('commit');
    return result;
  } catch (error) {
    await client.query('rollback').catch(() => undefined);
    throw error;
  }
}

function iso(at: number): string {
  return new Date(at).toISOString();
}
