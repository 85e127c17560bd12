// Which GPUs may be challenged now, by what the broker knows: whole, well, and nobody's at the moment.
import { sql } from 'kysely';
import { isHeld } from '../registry/holds.ts';
import type { Queryable } from '../storage/database.ts';
import type { GpuNow } from './excuses.ts';

/** A node with free GPUs. */
export interface CandidateNode {
  readonly nodeId: string;
  readonly providerId: string;
  /** The ids of those that were never challenged. */
  readonly newGpus: readonly string[];
}

/** A free GPU. */
export interface CandidateGpu {
  readonly gpuId: string;
  readonly nodeId: string;
  readonly name: string;
  readonly product: string;
  /** It was never challenged. */
  readonly isNew: boolean;
}

const isOccupied = sql<boolean>`(
  coalesce(g.compute_processes, 0) > 0 or coalesce(g.pod_allocation, 'none') <> 'none')`;

/** Of what has no product nothing is known, and it is not sold either. */
const isFree = sql`g.removed_at is null and g.product is not null and g.status = 'available' and g.health = 'healthy'
  and not g.stale and g.parent is null and not coalesce(g.mig, false)
  and not ${isOccupied} and not ${isHeld}
  and n.status <> 'offline' and n.decommissioned_at is null`;

/** A card that came in the place of another is new. */
const isNew = sql<boolean>`not exists (
  select from verifications v
  where v.gpu_id = g.id and v.kind = 'proof' and (g.identified_at is null or v.at > g.identified_at))`;

/** All nodes with free GPUs, but at most so many. */
export async function candidateNodes(db: Queryable, limit: number): Promise<CandidateNode[]> {
  const { rows } = await sql<CandidateNode>`
    select g.node_id as "nodeId", g.provider_id as "providerId", 
      coalesce(array_agg(g.id) filter (where ${isNew}), '{}') as "newGpus"
    from gpus g join nodes n on n.id = g.node_id
    where ${isFree} group by g.node_id, g.provider_id limit ${limit}
  `.execute(db);
  return rows;
}

/** The free GPUs of the nodes. */
export async function candidateGpus(db: Queryable, nodeIds: readonly string[]): Promise<CandidateGpu[]> {
  const { rows } = await sql<CandidateGpu>`
    select g.id as "gpuId", g.node_id as "nodeId", g.name, g.product, ${isNew} as "isNew"
    from gpus g join nodes n on n.id = g.node_id
    where g.node_id = any(${nodeIds}::uuid[]) and ${isFree} order by g.name collate "C"
  `.execute(db);
  return rows;
}

/** Who has the GPUs now. One that is gone is nobody's. */
export async function usesOf(db: Queryable, gpuIds: readonly string[]): Promise<ReadonlyMap<string, GpuNow>> {
  if (gpuIds.length === 0) return new Map();
  const { rows } = await sql<GpuNow & { id: string }>`
    select g.id, ${isHeld} as sold, ${isOccupied} as occupied from gpus g where g.id = any(${gpuIds}::uuid[])
  `.execute(db);
  return new Map(rows.map(({ id, sold, occupied }) => [id, { sold, occupied }]));
}
