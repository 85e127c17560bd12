// Writes what batches change about nodes, a statement for many rows.
import { sql } from 'kysely';
import type { Queryable } from '../../../storage/database.ts';
import type { NodeStatus } from '../../../storage/schema.ts';

/** A node that joined. */
export interface JoinRow {
  readonly id: string;
  readonly at: string;
  readonly spool_id: string;
  readonly simulated: boolean;
  readonly sources: readonly string[];
  readonly machine_id: string;
  readonly boot_id: string;
  readonly process_id: string;
  readonly agent_version: string;
  readonly ip_address: string;
}

/** With another spool, everything that counts within a spool begins again. */
export async function storeJoins(trx: Queryable, rows: readonly JoinRow[]): Promise<void> {
  if (rows.length === 0) return;
  await sql`
    update nodes set
      joined_at = coalesce(nodes.joined_at, joined.at),
      last_seen_at = greatest(nodes.last_seen_at, joined.at),
      change_sequence = case when nodes.spool_id = joined.spool_id then nodes.change_sequence else 0 end,
      telemetry_sequence = case when nodes.spool_id = joined.spool_id then nodes.telemetry_sequence else 0 end,
      telemetry_dropped = case when nodes.spool_id = joined.spool_id then nodes.telemetry_dropped else 0 end,
      spool_id = joined.spool_id, simulated = joined.simulated, sources = joined.sources,
      machine_id = joined.machine_id, boot_id = joined.boot_id, process_id = joined.process_id,
      agent_version = joined.agent_version, ip_address = joined.ip_address
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as joined
      (id uuid, at timestamptz, spool_id text, simulated boolean, sources text[], machine_id text, boot_id text,
       process_id text, agent_version text, ip_address text)
    where nodes.id = joined.id
  `.execute(trx);
}

/** Where a node stands after a batch. */
export interface NodeStateRow {
  readonly id: string;
  readonly change_sequence: number;
  readonly telemetry_dropped: number;
  readonly status: NodeStatus;
  readonly status_reason: string;
  readonly status_since: string;
}

export async function storeNodeStates(trx: Queryable, rows: readonly NodeStateRow[]): Promise<void> {
  if (rows.length === 0) return;
  await sql`
    update nodes set
      change_sequence = state.change_sequence, telemetry_dropped = state.telemetry_dropped,
      status = state.status, status_reason = state.status_reason, status_since = state.status_since
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as state
      (id uuid, change_sequence bigint, telemetry_dropped bigint, status text, status_reason text,
       status_since timestamptz)
    where nodes.id = state.id
  `.execute(trx);
}

/** Keeps the history from which uptime is computed. */
export async function storeStatusChanges(trx: Queryable, rows: readonly NodeStateRow[]): Promise<void> {
  if (rows.length === 0) return;
  await sql`
    insert into node_status_changes (node_id, at, status, reason)
    select id, status_since, status, status_reason
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as state
      (id uuid, status text, status_reason text, status_since timestamptz)
    on conflict (node_id, at) do update set status = excluded.status, reason = excluded.reason
  `.execute(trx);
}

/** What beats said of a node. */
export interface SeenRow {
  readonly id: string;
  readonly at: string;
  readonly round_trip_micros: number | null;
  readonly clock_skew_ms: number | null;
}

/** The nodes must be locked already. */
export async function storeSeen(trx: Queryable, rows: readonly SeenRow[]): Promise<void> {
  if (rows.length === 0) return;
  await sql`
    update nodes set
      last_seen_at = greatest(nodes.last_seen_at, seen.at),
      round_trip_micros = coalesce(seen.round_trip_micros, nodes.round_trip_micros),
      clock_skew_ms = coalesce(seen.clock_skew_ms, nodes.clock_skew_ms)
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as seen
      (id uuid, at timestamptz, round_trip_micros integer, clock_skew_ms integer)
    where nodes.id = seen.id
  `.execute(trx);
}
