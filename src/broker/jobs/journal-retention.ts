// Forgets old events, but never the last one of what is still there: from it the inventory as it was, and whoever
// follows the journal from its beginning, know that it exists, however long nothing happened to it.
import { sql } from 'kysely';
import type { Queryable } from '../storage/database.ts';
import type { JobContext } from './job.ts';

/** Events of one transaction. */
const piece = 5_000;

/**
 * Removes events older than they are kept, oldest first: so the last one of what is gone is removed after those before
 * it, and what is gone never seems to be there. Of providers, clusters, nodes and GPUs that had not been removed by
 * then, the last event stays.
 */
export async function removeOldJournal({ db, now, settings, signal }: JobContext): Promise<number> {
  const horizon = await lastSeqBefore(db, new Date(now().getTime() - settings.journalRetention));
  let total = 0;
  for (let after = 0; after < horizon && !signal.aborted; ) {
    const { last, removed } = await removePiece(db, after, horizon);
    after = last ?? horizon;
    total += removed;
  }
  return total;
}

async function lastSeqBefore(db: Queryable, time: Date): Promise<number> {
  const { rows } = await sql<{ seq: number }>`
    select seq from journal where at < ${time} order by at desc, seq desc limit 1
  `.execute(db);
  return rows[0]?.seq ?? 0;
}

/** The tables of which the last event stays, and the column of the journal that names the thing. */
const kept = [
  ['provider', 'provider_id'],
  ['cluster', 'cluster_id'],
  ['node', 'node_id'],
  ['gpu', 'gpu_id'],
] as const;

/** Whether an event is the last one about its thing up to the horizon. Each stands on an index of its own. */
function isLast(horizon: number) {
  const cases = kept.map(([kind, column]) => {
    const [pattern, id] = [sql.lit(`${kind}.%`), sql.ref(column)];
    // The index of GPUs begins with their provider.
    const within = kind === 'gpu' ? sql`and later.provider_id = piece.provider_id` : sql``;
    return sql`when piece.kind like ${pattern} then not exists (
      select from journal as later where later.kind like ${pattern} and later.${id} = piece.${id} ${within}
        and later.seq > piece.seq and later.seq <= ${horizon})`;
  });
  return sql`case when piece.kind like '%.removed' then false ${sql.join(cases, sql` `)} else false end`;
}

async function removePiece(db: Queryable, after: number, horizon: number) {
  const { rows } = await sql<{ last: number | null; removed: number }>`
    with piece as materialized (
      select seq, kind, provider_id, cluster_id, node_id, gpu_id from journal
      where seq > ${after} and seq <= ${horizon} order by seq limit ${piece}
    ), gone as (
      delete from journal using piece where journal.seq = piece.seq and not ${isLast(horizon)} returning journal.seq
    )
    select (select max(seq) from piece) as last, (select count(*) from gone) as removed
  `.execute(db);
  return rows[0] ?? { last: null, removed: 0 };
}
