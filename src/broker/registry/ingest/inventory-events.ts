// GPUs as the journal tells of them.
import type { Gpu } from '../../../api/gpus.ts';
import type { JournalEvent } from '../../events/journal.ts';
import { gpuView } from '../search/gpu-view.ts';
import type { ConditionRecord } from './gpu-record.ts';
import type { GpuRow } from './sql/store-gpus.ts';

/** The event about a GPU. */
export function gpuEvent(
  kind: 'gpu.added' | 'gpu.changed' | 'gpu.removed',
  at: Date,
  row: GpuRow & { readonly inserted?: boolean },
  conditions: readonly ConditionRecord[],
): JournalEvent {
  const { digest: _, inserted: __, identified_at: ___, ...columns } = row;
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
