// Forgets what the market has told long ago, by topic, and the beginning of its journal.
import { sql } from 'kysely';
import type { Database } from '../storage/database.ts';
import type { JobContext } from './job.ts';

const hour = 3_600_000;
const day = 24 * hour;

/** How long events are kept, by the beginning of their topic, in milliseconds. */
export const eventRetention: readonly (readonly [topic: string, kept: number])[] = [
  ['orders.', 7 * day],
  ['billing.usage', 90 * day],
  ['pricing.updates', hour],
  ['audit.log', 365 * day],
];

/** Rows of one transaction. */
const piece = 10_000;
/** So many snapshots are kept besides those of each week. */
const newest = 7;

/** Removes events that are older than their topic is kept. @returns how many */
export async function removeOldMarketEvents({ db, now, signal }: JobContext): Promise<number> {
  const { rows } = await sql<{ topic: string }>`
    with recursive topics as (
      (select topic from market_events order by topic limit 1)
      union all
      select (select topic from market_events where topic > topics.topic order by topic limit 1)
      from topics where topics.topic is not null
    )
    select topic from topics where topic is not null
  `.execute(db);
  let total = 0;
  for (const { topic } of rows) {
    const kept = eventRetention.find(([beginning]) => topic.startsWith(beginning))?.[1];
    // What nobody has a rule for stays.
    if (kept === undefined) continue;
    total += await removeTopic(db, topic, new Date(now().getTime() - kept), signal);
  }
  return total;
}

async function removeTopic(db: Database, topic: string, before: Date, signal: AbortSignal): Promise<number> {
  let total = 0;
  for (let removed = piece; removed === piece && !signal.aborted; total += removed) {
    const { numAffectedRows = 0n } = await sql`
      delete from market_events where seq in (
        select seq from market_events where topic = ${topic} and at < ${before} order by at limit ${piece}
      )
    `.execute(db);
    removed = Number(numAffectedRows);
  }
  return total;
}

/**
 * Removes commands older than they are kept, up to a snapshot, from which all that follow can be applied again. Then
 * the snapshots that nobody needs: the newest seven stay, the first of each week, and the one that the journal begins
 * at.
 * @returns how many commands
 */
export async function removeOldMarketJournal({ db, now, settings, signal }: JobContext): Promise<number> {
  const before = new Date(now().getTime() - settings.marketJournalRetention);
  const start = await db
    .selectFrom('market_snapshots')
    .select('seq')
    .where('at', '<=', before)
    .orderBy('seq', 'desc')
    .limit(1)
    .executeTakeFirst();
  const total = start ? await removeJournalUpTo(db, start.seq, signal) : 0;
  if (!signal.aborted) await thinSnapshots(db, start?.seq ?? 0);
  return total;
}

async function removeJournalUpTo(db: Database, seq: number, signal: AbortSignal): Promise<number> {
  let total = 0;
  for (let removed = piece; removed === piece && !signal.aborted; total += removed) {
    const { numAffectedRows = 0n } = await sql`
      delete from market_journal where seq in (
        select seq from market_journal where seq <= ${seq} order by seq limit ${piece}
      )
    `.execute(db);
    removed = Number(numAffectedRows);
  }
  return total;
}

/** @param start place at which the journal begins */
async function thinSnapshots(db: Database, start: number): Promise<void> {
  await sql`
    delete from market_snapshots where seq < ${start} or (seq > ${start} and seq not in (
      (select seq from market_snapshots order by seq desc limit ${newest})
      union all
      select min(seq) from market_snapshots where seq > ${start} group by date_trunc('week', at, 'UTC')
    ))
  `.execute(db);
}
