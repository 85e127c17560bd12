// Opens, counts and closes incidents, many in one statement.
//
//   (none) ──reported──▶ open ──a person acknowledges──▶ acknowledged
//                         ▲ │                                │
//                         │ └──────closed by its reporter────┴──▶ closed
//                         │             or a person                 │
//                         └──reported again within five minutes─────┘   the same incident: it flaps
//
// Of a kind and subject at most one incident is open: while it is, a report counts an occurrence, and its severity may
// rise but not fall. All writes are ordered by the journal's lock, so two reporters never open the same thing twice.
import { sql } from 'kysely';
import { appendToJournal, lockJournal } from '../events/journal.ts';
import { newId } from '../ids.ts';
import type { Queryable } from '../storage/database.ts';
import type { Severity } from '../storage/schema.ts';
import { type IncidentRow, incidentEvent } from './record.ts';

/** Something that is wrong now. */
export interface IncidentReport {
  /** One of `incidentKinds`. */
  readonly kind: string;
  readonly severity: Severity;
  /** `node:ID` or `gpu:ID`. */
  readonly subject: string;
  readonly title: string;
  readonly details?: Record<string, unknown> | undefined;
  readonly providerId?: string | undefined;
  readonly clusterId?: string | undefined;
  readonly nodeId?: string | undefined;
  readonly gpuId?: string | undefined;
}

/** Names an incident by what it is about. */
export interface IncidentName {
  readonly kind: string;
  readonly subject: string;
}

/** An incident that comes back within this time after it was closed is the same one, in milliseconds. */
export const flappingTime = 5 * 60_000;

/**
 * Opens what is not open yet, and counts an occurrence of what is. `trx` must be a transaction. It takes the journal's
 * lock: call it after the transaction's other changes, like `appendToJournal`.
 */
export async function reportIncidents(trx: Queryable, now: Date, reports: readonly IncidentReport[]): Promise<void> {
  if (reports.length === 0) return;
  await lockJournal(trx);
  const told = await write(trx, now, merged(reports, now));
  await appendToJournal(
    trx,
    told.map((row) => incidentEvent(row.written === 'raised' ? 'incident.changed' : 'incident.opened', now, row)),
  );
}

/** Closes those that are open; others are left out. `trx` must be a transaction; the lock is as above. */
export async function closeIncidents(
  trx: Queryable,
  now: Date,
  which: readonly IncidentName[],
  reason: string,
): Promise<void> {
  if (which.length === 0) return;
  await lockJournal(trx);
  const { rows } = await sql<IncidentRow>`
    with named as (
      select distinct kind, subject from jsonb_to_recordset(${JSON.stringify(which)}::jsonb) as named (kind text, subject text)
    )
    update incidents set status = 'closed', closed_at = greatest(${now}, opened_at), closed_reason = ${reason}
    from named
    where incidents.kind = named.kind and incidents.subject = named.subject and incidents.closed_at is null
    returning incidents.*
  `.execute(trx);
  await appendToJournal(
    trx,
    rows.map((row) => incidentEvent('incident.closed', now, row)),
  );
}

/** Closes all that are open about nodes, or clusters, and their GPUs: for what leaves for good. */
export async function closeIncidentsOf(
  trx: Queryable,
  now: Date,
  what: 'node' | 'cluster',
  ids: readonly string[],
  reason: string,
): Promise<void> {
  // Before it looks: who reports holds the lock until what it reported can be seen.
  await lockJournal(trx);
  const { rows } = await sql<IncidentName>`
    select kind, subject from incidents where ${sql.ref(`${what}_id`)} = any(${ids}::uuid[]) and closed_at is null
  `.execute(trx);
  await closeIncidents(trx, now, rows, reason);
}

/** Several reports of one thing become one that counts for all. */
function merged(reports: readonly IncidentReport[], now: Date) {
  const found = new Map<string, ReturnType<typeof recordOf>>();
  for (const report of reports) {
    const key = JSON.stringify([report.kind, report.subject]);
    const before = found.get(key);
    const record = recordOf(report, before ? before.id : newId(now.getTime()));
    if (before) {
      record.occurrences += before.occurrences;
      if (rank[before.severity] > rank[record.severity]) record.severity = before.severity;
    }
    found.set(key, record);
  }
  return [...found.values()];
}

const rank: Record<Severity, number> = { info: 0, warning: 1, critical: 2 };

function recordOf(report: IncidentReport, id: string) {
  return {
    id,
    kind: report.kind,
    severity: report.severity,
    subject: report.subject,
    title: report.title,
    details: report.details ?? {},
    provider_id: report.providerId ?? null,
    cluster_id: report.clusterId ?? null,
    node_id: report.nodeId ?? null,
    gpu_id: report.gpuId ?? null,
    occurrences: 1,
  };
}

/** Resolves with those that opened, opened again, or became graver. */
async function write(trx: Queryable, now: Date, records: readonly ReturnType<typeof recordOf>[]) {
  const reopenable = new Date(now.getTime() - flappingTime);
  const { rows } = await sql<IncidentRow & { written: 'opened' | 'reopened' | 'raised' | 'counted' }>`
    with report as (
      select * from jsonb_to_recordset(${JSON.stringify(records)}::jsonb) as report
        (id uuid, kind text, severity text, subject text, title text, details jsonb, provider_id uuid, cluster_id uuid,
         node_id uuid, gpu_id uuid, occurrences integer)
    ), before as (
      -- The open one, or else the one that was closed last.
      select report.kind, report.subject, found.id, found.severity, found.closed_at
      from report cross join lateral (
        select id, severity, closed_at from incidents
        where incidents.kind = report.kind and incidents.subject = report.subject
          and (closed_at is null or closed_at > ${reopenable})
        order by closed_at desc nulls first limit 1
      ) as found
    ), again as (
      update incidents set
        occurrences = incidents.occurrences + report.occurrences,
        last_seen_at = greatest(incidents.last_seen_at, ${now}),
        title = report.title,
        severity = case
          when before.closed_at is not null then report.severity
          when array_position(ranks, report.severity) > array_position(ranks, incidents.severity) then report.severity
          else incidents.severity end,
        details = case
          when before.closed_at is null then incidents.details || report.details
          else incidents.details || report.details || jsonb_build_object(
            'flapping', coalesce((incidents.details ->> 'flapping')::integer, 0) + 1) end,
        status = case when before.closed_at is null then incidents.status else 'open' end,
        acknowledged_at = case when before.closed_at is null then incidents.acknowledged_at end,
        acknowledged_by = case when before.closed_at is null then incidents.acknowledged_by end,
        closed_at = null,
        closed_reason = null
      from report join before using (kind, subject),
        (values (array['info', 'warning', 'critical'])) as severities (ranks)
      where incidents.id = before.id
      returning incidents.*, case
        when before.closed_at is not null then 'reopened'
        when before.severity <> incidents.severity then 'raised'
        else 'counted' end as written
    ), added as (
      insert into incidents (id, kind, severity, status, subject, provider_id, cluster_id, node_id, gpu_id, title,
        details, occurrences, opened_at, last_seen_at)
      select id, kind, severity, 'open', subject, provider_id, cluster_id, node_id, gpu_id, title,
        details, occurrences, ${now}::timestamptz, ${now}::timestamptz
      from report where not exists (select from before where before.kind = report.kind and before.subject = report.subject)
      returning *
    )
    select again.* from again where written <> 'counted'
    union all
    select added.*, 'opened' from added
  `.execute(trx);
  return rows;
}
