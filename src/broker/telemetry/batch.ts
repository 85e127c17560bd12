// Stores one batch in one transaction: rows by COPY, and how far each node's spool is stored by then.
//
// A node sends again what was not acknowledged. What it sends again is recognised by its sequence, which is committed
// with the rows: nothing is stored twice, also where the connection broke at COMMIT and nobody knows whether it held.
import { finished } from 'node:stream/promises';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import type { Sample, Telemetry } from '../../wire/gpubroker/node/v1/node_link.ts';
import { type CopyRows, copyStatement } from './copy-rows.ts';
import { createPartition, partitionOf, rawTable } from './partitions.ts';
import { claimed, startOfHour, telemetryLock } from './progress.ts';
import { type DropReason, storable, timeOf } from './rounds.ts';

/** One round on its way. */
export interface Entry {
  readonly nodeId: string;
  readonly spoolId: string | undefined;
  readonly round: Telemetry;
}

/** What became of a batch. */
export interface Outcome {
  readonly rows: readonly StoredRow[];
  readonly dropped: ReadonlyMap<DropReason, number>;
}

/** One row as it was stored. */
export interface StoredRow {
  readonly nodeId: string;
  readonly clusterId: string;
  /** Milliseconds, by the broker's clock. */
  readonly at: number;
  readonly samples: readonly Sample[];
}

export interface BatchOptions {
  readonly pool: pg.Pool;
  readonly rows: CopyRows;
  /** Partitions that are known to exist, by name; added to. */
  readonly partitions: Set<string>;
  /** Milliseconds. */
  readonly now: number;
  /** Rounds from before are dropped; milliseconds. */
  readonly oldest: number;
  /** Whether an attempt to store these entries has failed: it may have been committed all the same. */
  readonly again: boolean;
  /** Leave the rows out and store only that they have been dealt with: they are refused by the database. */
  readonly refuse: boolean;
  /** Cuts the attempt off. */
  readonly signal: AbortSignal;
}

/** Somebody else has moved a node's spool on while the batch was written. The next attempt sees where it stands. */
export class SpoolMoved extends Error {
  override readonly name = 'SpoolMoved';
}

/** Stores the entries. @throws what the database said; nothing is stored then, or COMMIT was not answered. */
export async function storeBatch(entries: readonly Entry[], options: BatchOptions): Promise<Outcome> {
  const client = await options.pool.connect();
  // A connection that breaks also fails the statement in progress, which says so.
  client.on('error', ignore);
  // Ending a client that is in a statement cuts the connection.
  const cut = () => void client.end().catch(ignore);
  options.signal.addEventListener('abort', cut, { once: true });
  try {
    const outcome = await transaction(client, entries, options);
    client.off('error', ignore);
    client.release();
    return outcome;
  } catch (error) {
    client.release(true);
    throw error;
  } finally {
    options.signal.removeEventListener('abort', cut);
  }
}

function ignore(): void {}

async function transaction(client: pg.PoolClient, entries: readonly Entry[], options: BatchOptions): Promise<Outcome> {
  // The lock lets rollups wait for batches in progress: see progress.ts.
  await client.query(`begin isolation level read committed; select pg_advisory_xact_lock_shared(${telemetryLock})`);
  const plan = planOf(entries, await readNodes(client, entries), options);
  if (options.again) await leaveOutStored(client, plan);
  const missing = missingPartitions(plan.rows, options.partitions);
  if (missing.length > 0) {
    await client.query('rollback');
    for (const partition of missing) await createPartition(client, rawTable, partition);
    for (const { name } of missing) options.partitions.add(name);
    return transaction(client, entries, options);
  }
  if (options.refuse) refuseAll(plan);
  if (plan.rows.length > 0) {
    await copy(client, plan.rows, options.rows);
    await markLate(client, plan.rows);
  }
  await moveSpools(client, plan.spools);
  await client.query('commit');
  return plan;
}

/** Where a node stands in the database. */
interface NodeState {
  readonly id: string;
  readonly cluster_id: string;
  readonly spool_id: string;
  readonly telemetry_sequence: number;
  readonly clock_skew_ms: number | null;
}

async function readNodes(client: pg.PoolClient, entries: readonly Entry[]): Promise<ReadonlyMap<string, NodeState>> {
  const ids = [...new Set(entries.map(({ nodeId }) => nodeId))];
  const { rows } = await client.query<NodeState>(
    'select id, cluster_id, spool_id, telemetry_sequence, clock_skew_ms from nodes where id = any($1::uuid[])',
    [ids],
  );
  return new Map(rows.map((node) => [node.id, node]));
}

interface PlannedRow extends StoredRow {
  /** Whether its spool's sequence tells if it is stored. */
  readonly tracked: boolean;
}

interface Plan {
  rows: PlannedRow[];
  readonly dropped: Map<DropReason, number>;
  /** By node. */
  readonly spools: Map<string, { readonly spoolId: string; readonly was: number; through: number }>;
}

function planOf(entries: readonly Entry[], nodes: ReadonlyMap<string, NodeState>, limits: BatchOptions): Plan {
  const plan: Plan = { rows: [], dropped: new Map(), spools: new Map() };
  for (const { nodeId, spoolId, round } of entries) {
    const node = nodes.get(nodeId);
    if (!node) {
      drop(plan, 'unknown-node');
      continue;
    }
    // A spool that is not the node's any more was lost: nothing of it is ever sent again.
    const tracked = spoolId !== undefined && spoolId === node.spool_id;
    if (tracked && !moves(plan, node, Number(round.sequence))) {
      drop(plan, 'duplicate');
      continue;
    }
    // Over HTTP the time is the caller's, not that of the node's agent.
    const at = timeOf(round, spoolId === undefined ? 0 : (node.clock_skew_ms ?? 0), limits);
    if (typeof at === 'string') {
      drop(plan, at);
      continue;
    }
    const samples = storable(round.samples);
    if (samples.length < round.samples.length) drop(plan, 'sample', round.samples.length - samples.length);
    plan.rows.push({ nodeId, clusterId: node.cluster_id, at, samples, tracked });
  }
  return plan;
}

/** Notes how far the spool is stored after this; false where it was stored before. */
function moves(plan: Plan, node: NodeState, sequence: number): boolean {
  const spool = plan.spools.get(node.id);
  if (sequence <= (spool?.through ?? node.telemetry_sequence)) return false;
  if (spool) spool.through = sequence;
  else plan.spools.set(node.id, { spoolId: node.spool_id, was: node.telemetry_sequence, through: sequence });
  return true;
}

function drop({ dropped }: Plan, reason: DropReason, count = 1): void {
  dropped.set(reason, (dropped.get(reason) ?? 0) + count);
}

function refuseAll(plan: Plan): void {
  if (plan.rows.length > 0) drop(plan, 'refused', plan.rows.length);
  plan.rows = [];
}

/** Rows without a sequence that an earlier attempt stored after all are known by their node and time. */
async function leaveOutStored(client: pg.PoolClient, plan: Plan): Promise<void> {
  const untracked = plan.rows.filter(({ tracked }) => !tracked);
  if (untracked.length === 0) return;
  const { rows } = await client.query<{ node_id: string; at: Date }>(
    `select node_id, at from unnest($1::uuid[], $2::timestamptz[]) as wanted (node_id, at)
     where exists (select from telemetry where telemetry.node_id = wanted.node_id and telemetry.at = wanted.at)`,
    [untracked.map(({ nodeId }) => nodeId), untracked.map(({ at }) => new Date(at).toISOString())],
  );
  const stored = new Set(rows.map(({ node_id, at }) => `${node_id} ${at.getTime()}`));
  plan.rows = plan.rows.filter(({ nodeId, at, tracked }) => tracked || !stored.has(`${nodeId} ${at}`));
}

function missingPartitions(rows: readonly StoredRow[], known: ReadonlySet<string>) {
  const missing = new Map<string, ReturnType<typeof partitionOf>>();
  // Rounds of a batch are seldom of more than one day.
  let checked = { from: 0, to: 0 };
  for (const { at } of rows) {
    if (at >= checked.from && at < checked.to) continue;
    const partition = partitionOf(rawTable, at);
    if (!known.has(partition.name)) missing.set(partition.name, partition);
    checked = partition;
  }
  return [...missing.values()];
}

async function copy(client: pg.PoolClient, planned: readonly StoredRow[], rows: CopyRows): Promise<void> {
  rows.clear();
  for (const { nodeId, at, samples } of planned) rows.add(nodeId, at, samples);
  const stream = client.query(copyFrom(copyStatement));
  stream.end(rows.finish());
  await finished(stream);
}

/** Rows of minutes that have been rolled up: those hours must be rolled up again. */
async function markLate(client: pg.PoolClient, rows: readonly StoredRow[]): Promise<void> {
  const through = await claimed(client);
  if (through === undefined) return;
  const hours = new Map<string, [nodeId: string, hour: string]>();
  for (const { nodeId, at } of rows) {
    if (at >= through) continue;
    const hour = new Date(startOfHour(at)).toISOString();
    hours.set(`${nodeId} ${hour}`, [nodeId, hour]);
  }
  if (hours.size === 0) return;
  const marks = [...hours.values()];
  await client.query('insert into telemetry_late select * from unnest($1::uuid[], $2::timestamptz[])', [
    marks.map(([nodeId]) => nodeId),
    marks.map(([, hour]) => hour),
  ]);
}

/** Locks in the order of ids, as everybody who changes several nodes does, and only for as long as COMMIT takes. */
async function moveSpools(client: pg.PoolClient, spools: Plan['spools']): Promise<void> {
  if (spools.size === 0) return;
  const moved = [...spools];
  const { rowCount } = await client.query(
    `with locked as materialized (
       select id from nodes where id = any($1::uuid[]) order by id for no key update
     )
     update nodes set telemetry_sequence = spool.through
     from unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[]) as spool (id, spool_id, was, through), locked
     where nodes.id = locked.id and spool.id = nodes.id and nodes.spool_id = spool.spool_id
       and nodes.telemetry_sequence = spool.was`,
    [
      moved.map(([id]) => id),
      moved.map(([, { spoolId }]) => spoolId),
      moved.map(([, { was }]) => was),
      moved.map(([, { through }]) => through),
    ],
  );
  if (rowCount !== moved.length) throw new SpoolMoved('the spool of a node moved on while its telemetry was stored');
}
