// A GPU as the API and the journal show it.
import type { Selectable } from 'kysely';
import type { Condition, Gpu } from '../../../api/gpus.ts';
import type { Schema } from '../../storage/schema.ts';

export type GpuRow = Omit<Selectable<Schema['gpus']>, 'digest' | 'identified_at'>;

/** The columns of `gpus` that {@link gpuView} needs. */
export const gpuColumns = [
  'id',
  'node_id',
  'cluster_id',
  'provider_id',
  'region',
  'name',
  'uuid',
  'parent',
  'source',
  'vendor',
  'model',
  'architecture',
  'serial',
  'product',
  'form_factor',
  'interconnect',
  'memory_bytes',
  'compute_capability',
  'driver_version',
  'cuda_version',
  'vbios_version',
  'pci_bus_id',
  'numa_node',
  'multiprocessors',
  'ecc',
  'mig',
  'health',
  'stale',
  'recommended_action',
  'status',
  'label',
  'score',
  'compute_processes',
  'pod_allocation',
  'attributes',
  'first_seen_at',
  'changed_at',
  'removed_at',
  'measured_at',
  'verified_at',
] as const satisfies readonly (keyof GpuRow)[];

/**
 * What the API shows of a row.
 * @param nodeOffline while it is, nobody knows the GPU's health.
 */
export function gpuView(row: GpuRow, conditions: readonly Condition[], nodeOffline = false): Gpu {
  const {
    memory_bytes: memory,
    pci_bus_id,
    first_seen_at,
    changed_at,
    removed_at,
    measured_at,
    verified_at,
    ...same
  } = row;
  return {
    ...same,
    memory_bytes: memory,
    vram_gb: memory === null ? null : Math.round(memory / 2 ** 30),
    pcie_slot: pci_bus_id,
    health: nodeOffline ? 'unknown' : row.health,
    conditions: [...conditions],
    first_seen_at: first_seen_at.toISOString(),
    changed_at: changed_at.toISOString(),
    removed_at: removed_at?.toISOString() ?? null,
    measured_at: measured_at?.toISOString() ?? null,
    verified_at: verified_at?.toISOString() ?? null,
  };
}
