// Nodes and GPUs as the journal tells of them.
import type { Gpu } from '../../../api/gpus.ts';
import type { Node } from '../../../api/nodes.ts';
import type { JournalEvent } from '../../events/journal.ts';
import { gpuView } from '../search/gpu-view.ts';
import type { ConditionRecord } from './gpu-record.ts';
import type { NodeRow } from './sql/load-nodes.ts';
import type { GpuRow } from './sql/store-gpus.ts';

/** The event about a GPU. */
export function gpuEvent(
  kind: 'gpu.added' | 'gpu.changed' | 'gpu.removed',
  at: Date,
  row: GpuRow & { readonly inserted?: boolean },
  conditions: readonly ConditionRecord[],
): JournalEvent {
  const { digest: _, inserted: __, ...columns } = row;
  const data: Gpu = gpuView(columns, conditions);
  return {
    kind,
    at,
    providerId: row.provider_id,
    clusterId: row.cluster_id,
    nodeId: row.node_id,
    gpuId: row.id,
    data: { ...data },
  };
}

/** The event about a node. */
export function nodeEvent(kind: 'node.joined' | 'node.status' | 'node.removed', at: Date, row: NodeRow): JournalEvent {
  const data: Omit<Node, 'gpu_count'> = {
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
    gpu_specs: row.declared_gpus,
    created_at: row.created_at.toISOString(),
  };
  return { kind, at, providerId: row.provider_id, clusterId: row.cluster_id, nodeId: row.id, data: { ...data } };
}
