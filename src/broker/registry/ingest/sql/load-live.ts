// Reads what the broker keeps in memory of nodes: their GPUs, and which of their incidents are open.
import { sql } from 'kysely';
import type { Queryable } from '../../../storage/database.ts';
import type { LiveGpu } from '../live-nodes.ts';

/** The GPUs that each node shows, by name. */
export async function loadLiveGpus(
  trx: Queryable,
  nodeIds: readonly string[],
): Promise<Map<string, Map<string, LiveGpu>>> {
  const found = new Map(nodeIds.map((id) => [id, new Map<string, LiveGpu>()]));
  if (nodeIds.length === 0) return found;
  const { rows } = await sql<LiveGpu & { node_id: string; name: string }>`
    select node_id, name, id, health, encode(digest, 'hex') as digest
    from gpus where node_id = any(${nodeIds}::uuid[]) and removed_at is null
  `.execute(trx);
  for (const { node_id, name, id, health, digest } of rows) found.get(node_id)?.set(name, { id, health, digest });
  return found;
}

/** `kind node:ID` of the open incidents of those kinds that only beats open and close. */
export async function loadBeatIncidents(trx: Queryable, nodeIds: readonly string[]): Promise<Set<string>> {
  if (nodeIds.length === 0) return new Set();
  const { rows } = await sql<{ name: string }>`
    select kind || ' ' || subject as name from incidents
    where closed_at is null and kind in ('clock-skew', 'telemetry-dropped')
      and subject = any(${nodeIds.map((id) => `node:${id}`)}::text[])
  `.execute(trx);
  return new Set(rows.map(({ name }) => name));
}

/** A node that was online when the last broker ended. */
export interface ExpectedNode {
  readonly id: string;
  readonly process_id: string;
  readonly status: 'healthy' | 'degraded';
}

export async function loadExpectedNodes(db: Queryable): Promise<ExpectedNode[]> {
  const { rows } = await sql<ExpectedNode>`
    select id, process_id, status from nodes where status <> 'offline' and decommissioned_at is null
  `.execute(db);
  return rows;
}
