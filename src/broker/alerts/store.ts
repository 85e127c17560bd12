// Keeps alerts, and puts what is to be sent beside them in the same transaction.
import { type Selectable, sql } from 'kysely';
import type { AlertSubject, Condition } from '../../api/alerts.ts';
import { newId } from '../ids.ts';
import type { Queryable } from '../storage/database.ts';
import type { Schema } from '../storage/schema.ts';
import type { Channel } from './channels/channel.ts';
import { type AlertState, type Evaluation, groupName, type Told } from './evaluation.ts';
import type { Rule } from './findings.ts';
import { noticePayload } from './notice.ts';

/** A rule with where it is sent to. */
export interface StoredRule extends Rule {
  readonly channels: readonly Channel[];
}

/** Those that are enabled. */
export async function readRules(db: Queryable): Promise<StoredRule[]> {
  const rows = await db.selectFrom('alert_rules').selectAll().where('enabled', '=', true).execute();
  return rows.map(ruleOf);
}

/** A row as evaluation takes it. */
export function ruleOf(row: Selectable<Schema['alert_rules']>): StoredRule {
  return {
    id: row.id,
    accountId: row.account_id,
    name: row.name,
    // Written by the API, by these schemas.
    condition: row.condition as Condition,
    channels: row.channels as Channel[],
    groupBy: row.group_by,
    groupWait: row.group_wait_s,
    repeatInterval: row.repeat_interval_s,
    maxNoticesPerHour: row.max_notices_per_hour,
    mutedUntil: row.muted_until,
  };
}

/** Those that are not resolved. */
export async function readOpenAlerts(db: Queryable): Promise<AlertState[]> {
  const rows = await db.selectFrom('alerts').selectAll().where('status', '<>', 'resolved').execute();
  return rows.map((row) => ({
    id: row.id,
    ruleId: row.rule_id,
    groupKey: row.group_key,
    status: row.status,
    severity: row.severity,
    subjects: row.subjects as AlertSubject[],
    count: row.subject_count,
    openedAt: row.opened_at,
    firedAt: row.fired_at,
    notifiedAt: row.notified_at,
    clearSince: row.clear_since,
    resolvedAt: row.resolved_at,
  }));
}

/** When each group was last told to fire, as far back as a repeat interval goes. */
export async function readLastTold(db: Queryable, rules: readonly Rule[], now: Date): Promise<Map<string, Date>> {
  const longest = Math.max(0, ...rules.map(({ repeatInterval }) => repeatInterval));
  const rows = await db
    .selectFrom('alerts')
    .select(({ fn }) => ['rule_id', 'group_key', fn.max('notified_at').as('at')])
    .where('notified_at', '>', new Date(now.getTime() - longest * 1000))
    .groupBy(['rule_id', 'group_key'])
    .execute();
  return new Map(
    rows.flatMap(({ rule_id, group_key, at }) => (at ? [[groupName(rule_id, group_key), at] as const] : [])),
  );
}

/** What each rule has told in the last hour. */
export async function readToldInHour(db: Queryable, now: Date): Promise<Map<string, Told>> {
  const rows = await db
    .selectFrom('alert_deliveries')
    .innerJoin('alerts', 'alerts.id', 'alert_deliveries.alert_id')
    .select([
      'alerts.rule_id',
      sql<number>`count(distinct notice_id) filter (where kind in ('firing', 'repeat'))`.as('firing'),
      sql<number>`count(distinct notice_id) filter (where kind = 'suppressed')`.as('suppressed'),
    ])
    .where('alert_deliveries.created_at', '>', new Date(now.getTime() - 3_600_000))
    .groupBy('alerts.rule_id')
    .execute();
  return new Map(rows.map(({ rule_id, ...told }) => [rule_id, told]));
}

/** Writes what was decided, and a delivery of each notice for each channel. `trx` must be a transaction. */
export async function storeEvaluation(
  trx: Queryable,
  now: Date,
  rules: readonly StoredRule[],
  { alerts, forgotten, notices }: Evaluation,
): Promise<void> {
  if (forgotten.length > 0) await sql`delete from alerts where id = any(${forgotten}::uuid[])`.execute(trx);
  if (alerts.length > 0) await writeAlerts(trx, alerts);
  const ofId = new Map(rules.map((rule) => [rule.id, rule]));
  const deliveries = notices.flatMap((notice) => {
    const rule = ofId.get(notice.alert.ruleId);
    if (!rule) return [];
    const noticeId = newId(now.getTime());
    const payload = noticePayload(noticeId, notice, rule, now);
    return rule.channels.map((channel) => ({
      id: newId(now.getTime()),
      alert_id: notice.alert.id,
      notice_id: noticeId,
      kind: notice.kind,
      channel_id: channel.id,
      channel_type: channel.type,
      payload,
    }));
  });
  if (deliveries.length === 0) return;
  await sql`
    insert into alert_deliveries (id, alert_id, notice_id, kind, channel_id, channel_type, payload, status,
      next_attempt_at, created_at)
    select id, alert_id, notice_id, kind, channel_id, channel_type, payload, 'waiting', ${now}::timestamptz,
      ${now}::timestamptz
    from jsonb_to_recordset(${JSON.stringify(deliveries)}::jsonb) as delivery (id uuid, alert_id uuid, notice_id uuid,
      kind text, channel_id uuid, channel_type text, payload jsonb)
  `.execute(trx);
}

async function writeAlerts(trx: Queryable, alerts: readonly AlertState[]): Promise<void> {
  const rows = alerts.map((alert) => ({
    id: alert.id,
    rule_id: alert.ruleId,
    group_key: alert.groupKey,
    status: alert.status,
    severity: alert.severity,
    subjects: alert.subjects,
    subject_count: alert.count,
    opened_at: alert.openedAt,
    fired_at: alert.firedAt,
    notified_at: alert.notifiedAt,
    clear_since: alert.clearSince,
    resolved_at: alert.resolvedAt,
  }));
  // A rule that was deleted meanwhile has taken its alerts along.
  await sql`
    insert into alerts (id, rule_id, group_key, status, severity, subjects, subject_count, opened_at, fired_at,
      notified_at, clear_since, resolved_at)
    select alert.* from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as alert (id uuid, rule_id uuid,
      group_key text, status text, severity text, subjects jsonb, subject_count integer, opened_at timestamptz,
      fired_at timestamptz, notified_at timestamptz, clear_since timestamptz, resolved_at timestamptz)
    join alert_rules on alert_rules.id = alert.rule_id
    on conflict (id) do update set status = excluded.status, severity = excluded.severity, subjects = excluded.subjects,
      subject_count = excluded.subject_count, fired_at = excluded.fired_at, notified_at = excluded.notified_at,
      clear_since = excluded.clear_since, resolved_at = excluded.resolved_at
  `.execute(trx);
}
