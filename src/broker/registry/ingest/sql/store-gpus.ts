// Writes GPUs as their nodes report them: adds, changes, brings back.
import { type Selectable, sql } from 'kysely';
import type { Queryable } from '../../../storage/database.ts';
import type { Schema } from '../../../storage/schema.ts';
import type { ReportedColumns } from '../gpu-record.ts';

export type GpuRow = Selectable<Schema['gpus']>;

/** A GPU to write; `id` counts only where the node never had one of this name. */
export interface GpuWrite extends ReportedColumns {
  readonly id: string;
  readonly node_id: string;
  readonly cluster_id: string;
  readonly provider_id: string;
  readonly region: string;
  readonly product: string | null;
  readonly form_factor: string | null;
  readonly interconnect: string | null;
  readonly simulated: boolean;
  /** Hexadecimal. */
  readonly digest: string;
}

/** What nodes decide about a GPU, and how PostgreSQL reads it from JSON. */
const reported = {
  cluster_id: 'uuid',
  provider_id: 'uuid',
  region: 'text',
  uuid: 'text',
  parent: 'text',
  source: 'text',
  vendor: 'text',
  model: 'text',
  architecture: 'text',
  serial: 'text',
  product: 'text',
  form_factor: 'text',
  interconnect: 'text',
  memory_bytes: 'bigint',
  compute_capability: 'text',
  driver_version: 'text',
  cuda_version: 'text',
  vbios_version: 'text',
  pci_bus_id: 'text',
  numa_node: 'integer',
  multiprocessors: 'integer',
  ecc: 'boolean',
  mig: 'boolean',
  health: 'text',
  stale: 'boolean',
  recommended_action: 'text',
  compute_processes: 'integer',
  pod_allocation: 'text',
  attributes: 'jsonb',
} as const satisfies Partial<Record<keyof GpuWrite, string>>;

const names = Object.keys(reported);
const columns = sql.raw(names.join(', '));
const values = sql.raw(names.map((name) => `written.${name}`).join(', '));
const types = sql.raw(
  Object.entries(reported)
    .map(([name, type]) => `${name} ${type}`)
    .join(', '),
);
/** What a node can say of a GPU whose driver does not describe it: a card that was dead when its agent started. */
const undescribed = new Set([
  'cluster_id',
  'provider_id',
  'region',
  'health',
  'stale',
  'recommended_action',
  'pod_allocation',
]);
/** Of such a card the description from before stays. */
const assignments = sql.raw(
  names
    .map((name) => {
      const kept = `case when excluded.source is null then gpus.${name} else excluded.${name} end`;
      return `${name} = ${undescribed.has(name) ? `excluded.${name}` : kept}`;
    })
    .join(', '),
);

/** What tells one card from another: where it was known, and is not the same now, another card came to the name. */
const ofTheCard = ['uuid', 'serial', 'model'] as const;

/** Whether a write is about another card than the row, or one that is sold as something else. */
const anotherCard = sql.raw(
  `((excluded.label = 'simulated') <> (gpus.label = 'simulated') or (excluded.source is not null and (
    gpus.product is distinct from excluded.product
    ${ofTheCard.map((name) => `or (gpus.${name} <> '' and gpus.${name} is distinct from excluded.${name})`).join(' ')})))`,
);

/**
 * A GPU that comes back keeps its id, its status and the label it has earned, unless another card came to its name, which
 * has to earn its own; a simulated one never has another label.
 * At most one row a node and name. Resolves with the rows as they are now; `inserted` where there was none.
 */
export async function storeGpus(
  trx: Queryable,
  now: Date,
  writes: readonly GpuWrite[],
): Promise<(GpuRow & { readonly inserted: boolean })[]> {
  if (writes.length === 0) return [];
  const { rows } = await sql<GpuRow & { inserted: boolean }>`
    insert into gpus (id, node_id, name, ${columns}, status, label, digest, first_seen_at, changed_at)
    select written.id, written.node_id, written.name, ${values}, 'available',
      case when written.simulated then 'simulated' else 'self-reported' end,
      decode(written.digest, 'hex'), ${now}::timestamptz, ${now}::timestamptz
    from jsonb_to_recordset(${JSON.stringify(writes)}::jsonb) as written
      (id uuid, node_id uuid, name text, ${types}, simulated boolean, digest text)
    on conflict (node_id, name) do update set ${assignments},
      label = case when ${anotherCard} then excluded.label else gpus.label end,
      score = case when ${anotherCard} then null else gpus.score end,
      measured_at = case when ${anotherCard} then null else gpus.measured_at end,
      verified_at = case when ${anotherCard} then null else gpus.verified_at end,
      identified_at = case when ${anotherCard} then excluded.changed_at else gpus.identified_at end,
      digest = excluded.digest, changed_at = excluded.changed_at, removed_at = null
    returning gpus.*, (xmax = 0) as inserted
  `.execute(trx);
  return rows;
}

/** Marks GPUs as gone and forgets their conditions; resolves with those that were there. */
export async function removeGpus(
  trx: Queryable,
  now: Date,
  gone: readonly { readonly node_id: string; readonly name: string }[],
): Promise<GpuRow[]> {
  if (gone.length === 0) return [];
  const { rows } = await sql<GpuRow>`
    with forgotten as (
      delete from gpu_conditions using gpus join jsonb_to_recordset(${JSON.stringify(gone)}::jsonb) as gone
        (node_id uuid, name text) on gone.node_id = gpus.node_id and gone.name = gpus.name
      where gpu_conditions.gpu_id = gpus.id
    )
    update gpus set removed_at = ${now}, changed_at = ${now}
    from jsonb_to_recordset(${JSON.stringify(gone)}::jsonb) as gone (node_id uuid, name text)
    where gpus.node_id = gone.node_id and gpus.name = gone.name and gpus.removed_at is null
    returning gpus.*
  `.execute(trx);
  return rows;
}
