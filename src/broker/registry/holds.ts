// Which GPUs trades hold: such a GPU is allocated, and what it belongs to stays until the hold ends. The market writes
// the holds; the registry reads them.
import { type RawBuilder, sql } from 'kysely';
import type { Queryable } from '../storage/database.ts';
import { countRows, inUse } from './change.ts';

/** Whether the GPU `g` of a query is held. */
export const isHeld: RawBuilder<boolean> = sql`exists (
  select from holds where holds.gpu_id = g.id and holds.ended_at is null)`;

/** Those of the GPUs that are held. */
export async function heldGpus(db: Queryable, gpuIds: readonly string[]): Promise<Set<string>> {
  if (gpuIds.length === 0) return new Set();
  const { rows } = await sql<{ gpu_id: string }>`
    select gpu_id from holds where gpu_id = any(${gpuIds}::uuid[]) and ended_at is null
  `.execute(db);
  return new Set(rows.map((row) => row.gpu_id));
}

/** The names of the GPUs that are held, of each of the nodes. */
export async function heldByNode(db: Queryable, nodeIds: readonly string[]): Promise<Map<string, string[]>> {
  const held = new Map<string, string[]>(nodeIds.map((id) => [id, []]));
  const { rows } = await sql<{ node_id: string; name: string }>`
    select g.node_id, g.name from trades t
    join holds on holds.trade_id = t.id and holds.ended_at is null
    join gpus g on g.id = holds.gpu_id
    where t.ended_at is null and t.node_id = any(${nodeIds}::uuid[])
    order by g.name collate "C"
  `.execute(db);
  for (const { node_id, name } of rows) held.get(node_id)?.push(name);
  return held;
}

/** @throws Refusal `GPUB_IN_USE` while a trade holds GPUs of it */
export async function refuseWhileHeld(db: Queryable, what: 'node' | 'cluster', id: string): Promise<void> {
  const column = sql.ref(`${what}_id`);
  const count = await countRows(
    db,
    sql<{ count: number }>`select count(*) as count from trades where ended_at is null and ${column} = ${id}`,
  );
  if (count === 0) return;
  throw inUse(what, `${count === 1 ? 'a trade holds' : `${count} trades hold`} GPUs of it, until the hold ends`);
}
