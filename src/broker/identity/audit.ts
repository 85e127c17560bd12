// The audit log: who did what, appended in the transaction of what was done, and chained by hashes.
//
// One row, audit_chain, holds the end of the chain and is locked until the appending transaction ends; so append late,
// and where the journal is written too, before it: two transactions that take both locks must take them in one order.
import { sql } from 'kysely';
import { auditContent } from '../../api/audit-chain.ts';
import type { Queryable } from '../storage/database.ts';
import type { Principal } from './principal.ts';

/** What is written down. */
export interface AuditEntry {
  readonly actor: {
    readonly kind: 'user' | 'api-key' | 'node' | 'system' | 'anonymous';
    readonly id?: string | undefined;
  };
  /** Whose matter it is: the owners of the account may read it. */
  readonly accountId?: string | undefined;
  /** For instance `node.cordon`. */
  readonly action: string;
  readonly target?: { readonly kind: string; readonly id: string } | undefined;
  readonly outcome: 'allowed' | 'refused' | 'failed';
  /** Plain JSON, and no secrets. */
  readonly details?: Record<string, unknown> | undefined;
}

/** Who did it, as the log names them: the person or the key. */
export function actorOf(principal: Principal): AuditEntry['actor'] {
  return principal.kind === 'api-key'
    ? { kind: 'api-key', id: principal.credentialId }
    : { kind: 'user', id: principal.userId };
}

/** Appends an entry; it is there if and only if the transaction commits. */
export async function appendAudit(trx: Queryable, now: Date, entry: AuditEntry): Promise<void> {
  const { actor, target, action, outcome } = entry;
  const actorId = actor.id ?? null;
  const accountId = entry.accountId?.toLowerCase() ?? null;
  const details = storable(entry.details ?? {});
  const content = auditContent({
    at: now.toISOString(),
    actor: { kind: actor.kind, id: actorId },
    account_id: accountId,
    action,
    target: target ? { kind: target.kind, id: target.id } : null,
    outcome,
    details,
  });
  await sql`
    with chain as (
      select last_seq + 1 as seq, last_hash as previous_hash,
        sha256(last_hash || int8send(last_seq + 1) || ${Buffer.from(content)}::bytea) as hash
      from audit_chain for update
    ), added as (
      insert into audit_log (seq, at, actor_kind, actor_id, account_id, action, target_kind, target_id, outcome,
        details, previous_hash, hash)
      select seq, ${now}, ${actor.kind}, ${actorId}, ${accountId}::uuid, ${action}, ${target?.kind ?? null},
        ${target?.id ?? null}, ${outcome}, ${JSON.stringify(details)}::jsonb, previous_hash, hash
      from chain
      returning seq, hash
    )
    update audit_chain set last_seq = added.seq, last_hash = added.hash from added
  `.execute(trx);
}

/** As it will be read back: plain JSON, without what PostgreSQL's jsonb does not hold. */
function storable(details: Record<string, unknown>): Record<string, unknown> {
  const text = JSON.stringify(details, (_name, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
  return JSON.parse(text, (_name, value: unknown) => {
    if (typeof value === 'string') return storableText(value);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([name, field]) => [storableText(name), field]));
  }) as Record<string, unknown>;
}

function storableText(text: string): string {
  return text.replaceAll('\0', '\u{fffd}').toWellFormed();
}
