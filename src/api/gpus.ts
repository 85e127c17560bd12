// GPUs, and how they are searched for.
import { type Static, Type } from 'typebox';
import { Id, Nullable, OneOf, Time } from './fields.ts';
import { pageFields } from './lists.ts';

/** Whether a pod of its node holds a GPU. */
export const podAllocations = ['none', 'held', 'unknown'] as const;
export const gpuHealths = ['healthy', 'unhealthy', 'unknown'] as const;
export const gpuStatuses = ['available', 'allocated', 'maintenance'] as const;
/** Lowest first. */
export const labels = ['simulated', 'self-reported', 'measured', 'challenge-verified'] as const;
export const gpuSorts = ['id', 'model', 'memory_gb', 'score', 'changed_at', 'region', 'product'] as const;

const Text = () => Nullable(Type.String());

export const Condition = Type.Object({
  type: Type.String(),
  status: Type.String(),
  reason: Type.String(),
  message: Type.String(),
  last_transition_at: Nullable(Time),
});
export type Condition = Static<typeof Condition>;

export const Gpu = Type.Object({
  id: Id,
  node_id: Id,
  cluster_id: Id,
  provider_id: Id,
  region: Type.String(),
  name: Type.String({ description: 'Its name in the node’s device API.' }),
  uuid: Type.String(),
  parent: Text(),
  source: Text(),
  vendor: Text(),
  model: Text(),
  architecture: Text(),
  serial: Text(),
  product: Nullable(Type.String({ description: 'Null where the table of products knows no such card.' })),
  form_factor: Text(),
  interconnect: Text(),
  memory_bytes: Nullable(Type.Integer()),
  vram_gb: Nullable(Type.Integer({ description: 'GiB, rounded.' })),
  compute_capability: Text(),
  driver_version: Text(),
  cuda_version: Text(),
  vbios_version: Text(),
  pcie_slot: Text(),
  numa_node: Nullable(Type.Integer()),
  multiprocessors: Nullable(Type.Integer()),
  ecc: Nullable(Type.Boolean()),
  mig: Nullable(Type.Boolean()),
  health: OneOf(gpuHealths, { description: 'Unknown while its node is offline.' }),
  stale: Type.Boolean(),
  recommended_action: Type.String(),
  status: OneOf(gpuStatuses, {
    description:
      'allocated: a trade holds it. Changes and snapshots tell what its node and its provider do, and never say so.',
  }),
  label: OneOf(labels, { description: 'What is behind its figures: see docs/verification.md.' }),
  score: Nullable(
    Type.Integer({ minimum: 0, maximum: 100, description: 'Null where nothing that was measured counts.' }),
  ),
  measured_at: Nullable({ ...Time, description: 'Its newest measurement.' }),
  verified_at: Nullable({ ...Time, description: 'The newest proof that it passed.' }),
  compute_processes: Nullable(Type.Integer()),
  pod_allocation: Nullable(
    OneOf(podAllocations, { description: 'Whether a pod of its node holds it; null where the node does not ask.' }),
  ),
  attributes: Type.Record(Type.String(), Type.Unknown()),
  conditions: Type.Array(Condition),
  first_seen_at: Time,
  changed_at: Time,
  removed_at: Nullable(Time),
});
export type Gpu = Static<typeof Gpu>;

const Word = Type.String({ minLength: 1, maxLength: 200 });
const Gigabytes = Type.Number({ minimum: 0, maximum: 1_000_000 });

/** What GPUs can be searched by; every filter given must hold. Also the selector of a dynamic pool. */
export const gpuFilters = {
  provider_id: Type.Optional(Id),
  cluster_id: Type.Optional(Id),
  node_id: Type.Optional(Id),
  region: Type.Optional(Word),
  vendor: Type.Optional(Word),
  model: Type.Optional({ ...Word, description: 'The exact name that the driver gives.' }),
  q: Type.Optional({ ...Word, description: 'A part of the model’s name, in any case.' }),
  product: Type.Optional({ ...Word, description: 'The id of a product, or an alias.' }),
  form_factor: Type.Optional(Word),
  interconnect: Type.Optional(Word),
  architecture: Type.Optional(Word),
  memory_gb_min: Type.Optional({ ...Gigabytes, description: 'GiB.' }),
  memory_gb_max: Type.Optional({ ...Gigabytes, description: 'GiB.' }),
  compute_capability_min: Type.Optional(Type.String({ pattern: '^\\d{1,3}\\.\\d{1,3}$', examples: ['8.9'] })),
  driver_version: Type.Optional(Word),
  cuda_version: Type.Optional(Word),
  vbios_version: Type.Optional(Word),
  health: Type.Optional(OneOf(gpuHealths)),
  status: Type.Optional(OneOf(gpuStatuses)),
  node_status: Type.Optional(OneOf(['healthy', 'degraded', 'offline'])),
  label_min: Type.Optional(OneOf(labels, { description: 'This label or a better one.' })),
  score_min: Type.Optional(Type.Integer({ minimum: 0, maximum: 100 })),
  serial: Type.Optional(Word),
  uuid: Type.Optional(Word),
  ecc: Type.Optional(Type.Boolean()),
  mig: Type.Optional(Type.Boolean()),
  parent: Type.Optional({ ...Word, description: 'The name of the GPU of which it is an instance.' }),
  numa_node: Type.Optional(Type.Integer({ minimum: 0, maximum: 1023 })),
  recommended_action: Type.Optional(Word),
  condition: Type.Optional(
    Type.String({
      pattern: '^[A-Za-z][A-Za-z0-9]{0,99}:(True|False|Unknown)$',
      description: 'A condition and its status.',
      examples: ['Ready:False'],
    }),
  ),
  attributes: Type.Optional(
    Type.String({
      maxLength: 2000,
      description: 'JSON that the attributes contain.',
      examples: ['{"pci":{"maxLinkGeneration":5}}'],
    }),
  ),
  include_removed: Type.Optional(Type.Boolean()),
};
export const GpuFilter = Type.Object(gpuFilters);
export type GpuFilter = Static<typeof GpuFilter>;

export const GpuQuery = Type.Object({
  ...pageFields,
  // Holds the name of a model, which may be long.
  cursor: Type.Optional(Type.String({ minLength: 1, maxLength: 2000, description: 'next_cursor of the page before.' })),
  ...gpuFilters,
  sort: Type.Optional(OneOf(gpuSorts, { default: 'id', description: 'What is not known sorts as the lowest.' })),
  order: Type.Optional(OneOf(['asc', 'desc'], { default: 'asc' })),
  total: Type.Optional(Type.Boolean({ description: 'Also count what is found, up to 100,000.' })),
});
export type GpuQuery = Static<typeof GpuQuery>;

export const GpuPage = Type.Object({
  items: Type.Array(Gpu),
  next_cursor: Nullable(Type.String()),
  total: Type.Optional(Type.Integer({ minimum: 0 })),
  total_capped: Type.Optional(Type.Boolean({ description: 'True where there are more than the total says.' })),
});
export type GpuPage = Static<typeof GpuPage>;

export const Maintenance = Type.Object({
  enabled: Type.Boolean(),
  reason: Type.Optional(Type.String({ minLength: 1, maxLength: 1000 })),
});
export type Maintenance = Static<typeof Maintenance>;
