// Records a change that somebody made to the registry: in the audit log, then in the journal, in one transaction.
import type { sql } from 'kysely';
import { appendToJournal, type JournalEvent } from '../events/journal.ts';
import { actorOf, appendAudit } from '../identity/audit.ts';
import type { Action } from '../identity/policy.ts';
import type { Principal } from '../identity/principal.ts';
import { Refusal } from '../refusal.ts';
import type { Database, Queryable } from '../storage/database.ts';

/** What the functions of the registry work with. */
export interface RegistryContext {
  readonly db: Database;
  readonly now: () => Date;
}

/** One change, as it is recorded. */
export interface RecordedChange {
  readonly action: Action;
  /** The account whose thing it is. */
  readonly accountId: string;
  readonly target: { readonly kind: string; readonly id: string };
  readonly details?: Record<string, unknown> | undefined;
  readonly events?: readonly JournalEvent[] | undefined;
}

/** Appends to the audit log and the journal; call it last in the transaction. */
export async function recordChange(
  trx: Queryable,
  now: Date,
  principal: Principal,
  { action, accountId, target, details, events = [] }: RecordedChange,
): Promise<void> {
  await appendAudit(trx, now, { actor: actorOf(principal), accountId, action, target, outcome: 'allowed', details });
  await appendToJournal(trx, events);
}

/**
 * Runs a statement that takes a name.
 * @throws Refusal `GPUB_CONFLICT` with the field, when another has it
 */
export async function takeName<Result>(field: string, value: string, statement: Promise<Result>): Promise<Result> {
  try {
    return await statement;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === '23505') {
      throw new Refusal('conflict', 'GPUB_NAME_TAKEN', `${field}: "${value}" is taken`, {
        field,
        value,
        allowed: 'a name that no other has in the same place',
      });
    }
    throw error;
  }
}

/** Something cannot go while it is used. */
export function inUse(what: string, by: string): Refusal {
  return new Refusal('conflict', 'GPUB_IN_USE', `the ${what} is in use: ${by}`);
}

/** A row count. */
export async function countRows(db: Queryable, query: ReturnType<typeof sql<{ count: number }>>): Promise<number> {
  return (await query.execute(db)).rows[0]?.count ?? 0;
}
