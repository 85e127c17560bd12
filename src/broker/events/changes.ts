// Pages of the journal, of what a caller may see.
import { sql } from 'kysely';
import type { Change, ChangesPage } from '../../api/inventory.ts';
import type { Queryable } from '../storage/database.ts';
import { eventColumns, type StoredEvent } from './tail.ts';

/** An event as the API shows it. */
export function changeView(event: StoredEvent): Change {
  const { seq, at, kind, providerId, clusterId, nodeId, gpuId, data } = event;
  return {
    seq,
    at: at.toISOString(),
    kind,
    provider_id: providerId,
    cluster_id: clusterId,
    node_id: nodeId,
    gpu_id: gpuId,
    data,
  };
}

/** The last event of the journal; 0 while there is none. */
export async function lastSeq(db: Queryable): Promise<number> {
  const { rows } = await sql<{ seq: number | null }>`select max(seq) as seq from journal`.execute(db);
  return rows[0]?.seq ?? 0;
}

/**
 * What follows an event, oldest first.
 * @param providers whose events; undefined for all
 * @param kinds only these; undefined for all
 * @returns `next`: everything up to there has been looked at, whoever's it was
 */
export async function changesAfter(
  db: Queryable,
  providers: readonly string[] | undefined,
  after: number,
  limit: number,
  kinds?: readonly string[],
): Promise<ChangesPage> {
  // First the end, then what is before it: what commits in between belongs to the next page.
  const head = Math.max(await lastSeq(db), after);
  if (providers?.length === 0) return { items: [], next: head };
  const mine = providers ? sql`and provider_id = any(${providers}::uuid[])` : sql``;
  // Written out, so that the planner finds an index of just these.
  const named = kinds ? sql`and kind in (${sql.join(kinds.map((kind) => sql.lit(kind)))})` : sql``;
  const { rows } = await sql<StoredEvent>`
    select ${sql.raw(eventColumns)} from journal
    where seq > ${after} and seq <= ${head} ${mine} ${named} order by seq limit ${limit}
  `.execute(db);
  const last = rows.at(-1);
  return { items: rows.map(changeView), next: rows.length === limit && last ? last.seq : head };
}
