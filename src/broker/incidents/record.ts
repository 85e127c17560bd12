// An incident as the API and the journal show it.
import type { Selectable } from 'kysely';
import type { Incident } from '../../api/incidents.ts';
import type { JournalEvent } from '../events/journal.ts';
import type { Schema } from '../storage/schema.ts';
import { incidentKind } from './kinds.ts';

export type IncidentRow = Selectable<Schema['incidents']>;

/** What the API shows of a row. */
export function incidentRecord(row: IncidentRow): Incident {
  const { class: classification, runbook } = incidentKind(row.kind);
  return {
    id: row.id,
    kind: row.kind,
    class: classification,
    severity: row.severity,
    status: row.status,
    subject: row.subject,
    provider_id: row.provider_id,
    cluster_id: row.cluster_id,
    node_id: row.node_id,
    gpu_id: row.gpu_id,
    title: row.title,
    next_step: runbook,
    details: row.details,
    occurrences: row.occurrences,
    opened_at: row.opened_at.toISOString(),
    last_seen_at: row.last_seen_at.toISOString(),
    acknowledged_at: row.acknowledged_at?.toISOString() ?? null,
    acknowledged_by: row.acknowledged_by,
    closed_at: row.closed_at?.toISOString() ?? null,
    closed_reason: row.closed_reason,
    seconds_to_acknowledge: secondsBetween(row.opened_at, row.acknowledged_at),
    seconds_to_close: secondsBetween(row.opened_at, row.closed_at),
  };
}

/** The journal's event about an incident. */
export function incidentEvent(kind: string, at: Date, row: IncidentRow): JournalEvent {
  return {
    kind,
    at,
    providerId: row.provider_id ?? undefined,
    clusterId: row.cluster_id ?? undefined,
    nodeId: row.node_id ?? undefined,
    gpuId: row.gpu_id ?? undefined,
    data: { ...incidentRecord(row) },
  };
}

function secondsBetween(from: Date, to: Date | null): number | null {
  return to && Math.max(0, Math.round((to.getTime() - from.getTime()) / 1000));
}
