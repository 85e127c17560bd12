// Partitions by time: what is created ahead, found to exist, and dropped as a whole when it is old. All in UTC.
import type pg from 'pg';

/** What can run statements: a pool, or one connection that is in no transaction. */
export type Runner = Pick<pg.Pool | pg.PoolClient, 'query'>;

/** A table that is partitioned by its column `at`. */
export interface PartitionedTable {
  readonly name: 'telemetry' | 'telemetry_rollups_1m' | 'telemetry_rollups_1h';
  readonly unit: 'day' | 'month';
}

export const rawTable: PartitionedTable = { name: 'telemetry', unit: 'day' };
export const minuteTable: PartitionedTable = { name: 'telemetry_rollups_1m', unit: 'day' };
export const hourTable: PartitionedTable = { name: 'telemetry_rollups_1h', unit: 'month' };

/** One partition; times in milliseconds, the end exclusive. */
export interface Partition {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

/** The key of the advisory lock under which partitions are made and dropped: "part" in ASCII. */
const partitionsLock = 0x70617274;
/** A statement that must have the table to itself gives up after this, so that nothing queues up behind it. */
const lockTimeout = '10s';

/** The partition in which a time falls. @param at milliseconds. */
export function partitionOf(table: PartitionedTable, at: number): Partition {
  const date = new Date(at);
  const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()];
  const digits = date.toISOString().slice(0, 10).replaceAll('-', '');
  return table.unit === 'day'
    ? { name: `${table.name}_${digits}`, from: Date.UTC(year, month, day), to: Date.UTC(year, month, day + 1) }
    : { name: `${table.name}_${digits.slice(0, 6)}`, from: Date.UTC(year, month, 1), to: Date.UTC(year, month + 1, 1) };
}

/** The partition in which a time falls and those after it. @param at milliseconds. */
export function partitionsFrom(table: PartitionedTable, at: number, count: number): readonly Partition[] {
  const found = [partitionOf(table, at)];
  for (let last = found[0]; last && found.length < count; last = found.at(-1)) found.push(partitionOf(table, last.to));
  return found;
}

/** Creates the partition unless it exists. Does not get in the way of whoever reads or writes the table meanwhile. */
export async function createPartition(runner: Runner, table: PartitionedTable, partition: Partition): Promise<void> {
  const bounds = [partition.from, partition.to].map((time) => `'${new Date(time).toISOString()}'`);
  // Attaching needs a weaker lock on the table than creating a partition in place.
  await runner.query(`do $$ begin
    set local lock_timeout = '${lockTimeout}';
    perform pg_advisory_xact_lock(${partitionsLock});
    if to_regclass('${partition.name}') is null then
      create table ${partition.name} (like ${table.name} including all);
      alter table ${table.name} attach partition ${partition.name} for values from (${bounds[0]}) to (${bounds[1]});
    end if;
  end $$`);
}

/** The partitions that exist, oldest first. */
export async function partitions(runner: Runner, table: PartitionedTable): Promise<readonly Partition[]> {
  const { rows } = await runner.query<{ name: string }>(
    `select relname as name from pg_inherits join pg_class on pg_class.oid = inhrelid
     where inhparent = $1::regclass order by relname`,
    [table.name],
  );
  return rows.flatMap(({ name }) => {
    const [, year, month, day = '01'] = /_(\d{4})(\d{2})(\d{2})?$/.exec(name) ?? [];
    return year ? [partitionOf(table, Date.UTC(Number(year), Number(month) - 1, Number(day)))] : [];
  });
}

/** Drops every partition that ended before. @param before milliseconds. @returns the names of those dropped. */
export async function dropPartitions(
  pool: pg.Pool,
  table: PartitionedTable,
  before: number,
): Promise<readonly string[]> {
  const client = await pool.connect();
  try {
    await client.query(`set lock_timeout = '${lockTimeout}'`);
    await client.query('select pg_advisory_lock($1)', [partitionsLock]);
    const old = (await partitions(client, table)).filter(({ to }) => to <= before);
    for (const { name } of old) await dropPartition(client, table, name);
    return old.map(({ name }) => name);
  } finally {
    // With the session go its lock and its setting.
    client.release(true);
  }
}

/** Detaches first, which waits for queries in progress and lets new ones through; dropping in place would stop all. */
async function dropPartition(runner: Runner, table: PartitionedTable, name: string): Promise<void> {
  const { rows } = await runner.query<{ pending: boolean }>(
    'select inhdetachpending as pending from pg_inherits where inhrelid = $1::regclass',
    [name],
  );
  // Pending: an earlier attempt was cut off half-way.
  const mode = rows[0]?.pending ? 'finalize' : 'concurrently';
  await runner.query(`alter table ${table.name} detach partition ${name} ${mode}`);
  await runner.query(`drop table ${name}`);
}
