// A node as the API shows it, and as the journal tells of it.
import type { Node } from '../../api/nodes.ts';
import type { JournalEvent } from '../events/journal.ts';
import type { NodeRow } from './ownership.ts';

/** A node with where it is. */
export type PlacedNode = NodeRow & { readonly provider_id: string; readonly region: string };

/** @param gpuCount its whole GPUs that are in the inventory. */
export function nodeView(row: PlacedNode, gpuCount: number): Node {
  return {
    id: row.id,
    cluster_id: row.cluster_id,
    provider_id: row.provider_id,
    hostname: row.hostname,
    region: row.region,
    status: row.status,
    reason: row.status_reason,
    status_since: row.status_since.toISOString(),
    cordoned: row.cordoned,
    draining: row.draining,
    decommissioned_at: row.decommissioned_at?.toISOString() ?? null,
    simulated: row.simulated,
    sources: row.sources,
    ip_address: row.ip_address,
    agent_version: row.agent_version,
    joined_at: row.joined_at?.toISOString() ?? null,
    last_seen_at: row.last_seen_at?.toISOString() ?? null,
    clock_skew_ms: row.clock_skew_ms,
    round_trip_micros: row.round_trip_micros,
    gpu_specs: row.declared_gpus.map(({ model, count, memory_gb }) =>
      memory_gb === undefined ? { model, count } : { model, count, memory_gb },
    ),
    gpu_count: gpuCount,
    created_at: row.created_at.toISOString(),
  };
}

/** The event about a node; what a reader of the journal sees does not carry the count, which moves by itself. */
export function nodeEvent(kind: string, at: Date, row: PlacedNode): JournalEvent {
  const { gpu_count: _, ...data } = nodeView(row, 0);
  return { kind, at, providerId: row.provider_id, clusterId: row.cluster_id, nodeId: row.id, data };
}
