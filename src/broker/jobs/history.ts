// Removes what is over and old: alerts, incidents, tokens. In pieces, so that no transaction is long.
import { type RawBuilder, sql } from 'kysely';
import type { JobContext } from './job.ts';

/** Rows of one transaction. */
const piece = 5_000;
/** A token that ended is told apart from one that never was for so long. */
const tokenGrace = 30 * 86_400_000;

/** Resolved alerts, with their deliveries. */
export function removeOldAlerts(context: JobContext): Promise<number> {
  const before = ago(context, context.settings.historyRetention);
  return inPieces(
    context,
    sql`delete from alerts where id in (
      select id from alerts where status = 'resolved' and resolved_at < ${before} limit ${piece}
    )`,
  );
}

/** Closed incidents. */
export function removeOldIncidents(context: JobContext): Promise<number> {
  const before = ago(context, context.settings.historyRetention);
  return inPieces(
    context,
    sql`delete from incidents where id in (
      select id from incidents where status = 'closed' and closed_at < ${before} limit ${piece}
    )`,
  );
}

/** Enrolment tokens that ended long ago. */
export function removeOldTokens(context: JobContext): Promise<number> {
  const before = ago(context, tokenGrace);
  return inPieces(
    context,
    sql`delete from enrolment_tokens where id in (
      select id from enrolment_tokens where least(expires_at, revoked_at) < ${before} limit ${piece}
    )`,
  );
}

function ago({ now }: JobContext, age: number): Date {
  return new Date(now().getTime() - age);
}

async function inPieces({ db, signal }: JobContext, statement: RawBuilder<unknown>): Promise<number> {
  let total = 0;
  for (let removed = piece; removed === piece && !signal.aborted; total += removed) {
    removed = Number((await statement.execute(db)).numAffectedRows ?? 0n);
  }
  return total;
}
