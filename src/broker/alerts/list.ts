// Reads alerts: a page of them, or one with its deliveries.
import { type Selectable, sql } from 'kysely';
import { Type } from 'typebox';
import type { Alert, AlertQuery, AlertSubject, AlertWithDeliveries } from '../../api/alerts.ts';
import { visibleAccount } from '../identity/policy.ts';
import type { Principal } from '../identity/principal.ts';
import { cursorReader, pageOf } from '../paging.ts';
import { notFound } from '../refusal.ts';
import type { Queryable } from '../storage/database.ts';
import type { Schema } from '../storage/schema.ts';

/** Deliveries of an alert that are shown, the newest. */
const deliveriesShown = 100;

const readCursor = cursorReader(Type.Object({ id: Type.String({ format: 'uuid' }) }));

/** Newest first. */
export async function listAlerts(db: Queryable, principal: Principal, query: AlertQuery) {
  const { limit = 50, cursor, status, severity, rule_id: ruleId } = query;
  const place = readCursor(cursor);
  const rows = await visible(db, principal)
    .$if(status !== undefined, (q) => q.where('alerts.status', '=', status ?? 'firing'))
    .$if(severity !== undefined, (q) => q.where('alerts.severity', '=', severity ?? 'info'))
    .$if(ruleId !== undefined, (q) => q.where('alerts.rule_id', '=', ruleId ?? ''))
    .$if(place !== undefined, (q) => q.where('alerts.id', '<', place?.id ?? ''))
    .orderBy('alerts.id', 'desc')
    .limit(limit + 1)
    .execute();
  return pageOf(rows, limit, ({ id }) => ({ id }), show);
}

/** @throws Refusal not-found. */
export async function readAlert(db: Queryable, principal: Principal, id: string): Promise<AlertWithDeliveries> {
  const row = await visible(db, principal).where('alerts.id', '=', id).executeTakeFirst();
  if (!row) throw notFound('alert', id);
  const deliveries = await db
    .selectFrom('alert_deliveries')
    .selectAll()
    .where('alert_id', '=', id)
    .orderBy('id', 'desc')
    .limit(deliveriesShown)
    .execute();
  return {
    ...show(row),
    deliveries: deliveries.map(({ alert_id: _alert, payload: _payload, ...delivery }) => ({
      ...delivery,
      next_attempt_at: delivery.status === 'waiting' ? delivery.next_attempt_at.toISOString() : null,
      created_at: delivery.created_at.toISOString(),
      sent_at: delivery.sent_at?.toISOString() ?? null,
    })),
  };
}

function visible(db: Queryable, principal: Principal) {
  const account = visibleAccount(principal);
  return db
    .selectFrom('alerts')
    .innerJoin('alert_rules', 'alert_rules.id', 'alerts.rule_id')
    .selectAll('alerts')
    .select('alert_rules.name as rule_name')
    .where(account === undefined ? sql<boolean>`true` : sql<boolean>`alert_rules.account_id = ${account}`);
}

function show(row: Selectable<Schema['alerts']> & { rule_name: string }): Alert {
  return {
    id: row.id,
    rule_id: row.rule_id,
    rule_name: row.rule_name,
    group: row.group_key,
    status: row.status,
    severity: row.severity,
    subject_count: row.subject_count,
    subjects: row.subjects as AlertSubject[],
    opened_at: row.opened_at.toISOString(),
    fired_at: row.fired_at?.toISOString() ?? null,
    notified_at: row.notified_at?.toISOString() ?? null,
    resolved_at: row.resolved_at?.toISOString() ?? null,
  };
}
