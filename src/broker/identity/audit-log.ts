// Reading the audit log, and forgetting what is older than a year in a way that leaves the rest verifiable.
import { type Selectable, sql } from 'kysely';
import type { AuditChain, AuditEntryView, AuditQuery } from '../../api/audit.ts';
import { decodeCursor, pageOf } from '../paging.ts';
import { invalid } from '../refusal.ts';
import type { Database } from '../storage/database.ts';
import type { Schema } from '../storage/schema.ts';
import { visibleAccount } from './policy.ts';
import type { Principal } from './principal.ts';

/** Milliseconds: 365 days. */
export const auditRetention = 365 * 24 * 60 * 60 * 1000;
/** Entries removed in one transaction. */
const removedAtOnce = 10_000;

/** Entries of the caller's account, or for an admin of all. @throws Refusal query.cursor */
export async function listAudit(db: Database, by: Principal, query: AuditQuery) {
  const { limit = 50, cursor, order = 'newest', after_seq, action, outcome, actor_id, target_id, from, to } = query;
  const account = visibleAccount(by) ?? query.account_id;
  let rows = db.selectFrom('audit_log').selectAll();
  if (account !== undefined) rows = rows.where('account_id', '=', account);
  // Another account than one's own has no entries to see.
  if (query.account_id !== undefined && query.account_id.toLowerCase() !== account?.toLowerCase()) return empty;
  if (action !== undefined) rows = rows.where('action', '=', action);
  if (outcome !== undefined) rows = rows.where('outcome', '=', outcome);
  if (actor_id !== undefined) rows = rows.where('actor_id', '=', actor_id.toLowerCase());
  if (target_id !== undefined) rows = rows.where('target_id', '=', target_id);
  if (from !== undefined) rows = rows.where('at', '>=', new Date(from));
  if (to !== undefined) rows = rows.where('at', '<', new Date(to));
  if (after_seq !== undefined) rows = rows.where('seq', '>', after_seq);
  if (cursor !== undefined) rows = rows.where('seq', order === 'newest' ? '<' : '>', seqOf(cursor));
  const page = await rows
    .orderBy('seq', order === 'newest' ? 'desc' : 'asc')
    .limit(limit + 1)
    .execute();
  return pageOf(page, limit, ({ seq }) => seq, entryView);
}

const empty = { items: [], next_cursor: null };

function seqOf(cursor: string): number {
  const seq = decodeCursor(cursor);
  if (typeof seq !== 'number' || !Number.isSafeInteger(seq) || seq < 0) {
    throw invalid('query.cursor', cursor, 'the next_cursor of the page before');
  }
  return seq;
}

/** Where the chain that is kept begins and ends. */
export async function readChain(db: Database): Promise<AuditChain> {
  const row = await db.selectFrom('audit_chain').selectAll().executeTakeFirstOrThrow();
  return {
    start: { seq: row.removed_through_seq, hash: row.removed_through_hash.toString('hex') },
    end: { seq: row.last_seq, hash: row.last_hash.toString('hex') },
  };
}

/** An entry as the API shows it, and as its hash covers it. */
export function entryView(row: Selectable<Schema['audit_log']>): AuditEntryView {
  const { seq, at, actor_kind, actor_id, account_id, action, target_kind, target_id, outcome, details } = row;
  return {
    seq,
    at: at.toISOString(),
    actor: { kind: actor_kind, id: actor_id },
    account_id,
    action,
    target: target_kind !== null && target_id !== null ? { kind: target_kind, id: target_id } : null,
    outcome,
    details,
    previous_hash: row.previous_hash.toString('hex'),
    hash: row.hash.toString('hex'),
  };
}

/**
 * Removes entries older than a year, oldest first and without gaps; the chain then begins with the hash of the last one
 * removed.
 * @returns how many were removed.
 */
export async function removeOldAudit(db: Database, now: Date): Promise<number> {
  const before = new Date(now.getTime() - auditRetention);
  let removed = 0;
  for (;;) {
    const some = await removeSome(db, before);
    removed += some;
    if (some < removedAtOnce) return removed;
  }
}

async function removeSome(db: Database, before: Date): Promise<number> {
  return db.transaction().execute(async (trx) => {
    const chain = await trx.selectFrom('audit_chain').selectAll().forUpdate().executeTakeFirstOrThrow();
    const next = chain.removed_through_seq;
    // Clocks may step back, so the first one to keep decides, not each one's own time.
    const { through } = await trx
      .selectFrom('audit_log')
      .select((eb) => eb.fn.min<number | null>('seq').as('through'))
      .where('at', '>=', before)
      .executeTakeFirstOrThrow();
    const last = Math.min(next + removedAtOnce, (through ?? chain.last_seq + 1) - 1);
    if (last <= next) return 0;
    const end = await trx.selectFrom('audit_log').select('hash').where('seq', '=', last).executeTakeFirst();
    if (!end) throw new Error(`the audit log lacks entry ${last}: verify it`);
    await sql`select set_config('gpubroker.audit_retention', 'on', true)`.execute(trx);
    await trx.deleteFrom('audit_log').where('seq', '<=', last).execute();
    await trx.updateTable('audit_chain').set({ removed_through_seq: last, removed_through_hash: end.hash }).execute();
    return last - next;
  });
}
