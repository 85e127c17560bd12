// What people do with incidents: acknowledge that they know, and close.
import type { Incident } from '../../api/incidents.ts';
import { appendToJournal, lockJournal } from '../events/journal.ts';
import { actorOf, appendAudit } from '../identity/audit.ts';
import type { Principal } from '../identity/principal.ts';
import { Refusal } from '../refusal.ts';
import type { Queryable } from '../storage/database.ts';
import { ownedIncident } from './list.ts';
import { incidentEvent, incidentRecord } from './record.ts';

/**
 * Says that somebody knows of it; a second time changes nothing. `trx` must be a transaction.
 * @throws Refusal not-found, or GPUB_INCIDENT_CLOSED.
 */
export async function acknowledge(trx: Queryable, now: Date, principal: Principal, id: string): Promise<Incident> {
  const before = await ownedIncident(trx, principal, id);
  if (before.status === 'acknowledged') return incidentRecord(before);
  return change(trx, now, principal, before, 'acknowledged', {
    status: 'acknowledged',
    acknowledged_at: now,
    acknowledged_by: principal.userId,
  });
}

/**
 * Closes it by hand; it opens again if it is reported again. `trx` must be a transaction.
 * @throws Refusal not-found, or GPUB_INCIDENT_CLOSED.
 */
export async function close(
  trx: Queryable,
  now: Date,
  principal: Principal,
  id: string,
  reason: string,
): Promise<Incident> {
  const before = await ownedIncident(trx, principal, id);
  return change(trx, now, principal, before, 'closed', { status: 'closed', closed_at: now, closed_reason: reason });
}

type Owned = Awaited<ReturnType<typeof ownedIncident>>;

/** Locks in the order of all: the audit chain, the journal, the incident. */
async function change(
  trx: Queryable,
  now: Date,
  principal: Principal,
  before: Owned,
  what: 'acknowledged' | 'closed',
  values: Partial<Pick<Owned, 'status' | 'acknowledged_at' | 'acknowledged_by' | 'closed_at' | 'closed_reason'>>,
): Promise<Incident> {
  await appendAudit(trx, now, {
    actor: actorOf(principal),
    accountId: before.account_id ?? undefined,
    action: `incident.${what}`,
    target: { kind: 'incident', id: before.id },
    outcome: 'allowed',
    details: values.closed_reason ? { reason: values.closed_reason } : {},
  });
  await lockJournal(trx);
  const row = await trx
    .updateTable('incidents')
    .set(values)
    .where('id', '=', before.id)
    .where('closed_at', 'is', null)
    .returningAll()
    .executeTakeFirst();
  if (!row) {
    throw new Refusal('conflict', 'GPUB_INCIDENT_CLOSED', `incident ${before.id} is closed: nothing is left to do`);
  }
  await appendToJournal(trx, [incidentEvent(`incident.${what}`, now, row)]);
  return incidentRecord(row);
}
