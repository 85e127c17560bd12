// Finds GPUs that two nodes show at once: one card cannot be in two machines.
import { sql } from 'kysely';
import type { Queryable } from '../../../storage/database.ts';

/** One side. */
export interface TwinSide {
  readonly id: string;
  readonly name: string;
  readonly model: string | null;
  readonly node_id: string;
  readonly cluster_id: string;
  readonly provider_id: string;
  readonly hostname: string;
}

export interface Twins {
  readonly uuid: string;
  readonly one: TwinSide;
  readonly other: TwinSide;
}

const side = (gpu: string, node: string) =>
  sql.raw(`json_build_object('id', ${gpu}.id, 'name', ${gpu}.name, 'model', ${gpu}.model, 'node_id', ${gpu}.node_id,
    'cluster_id', ${gpu}.cluster_id, 'provider_id', ${gpu}.provider_id, 'hostname', ${node}.hostname)`);

/** Twins of these GPUs, and of all GPUs of these nodes, on nodes that are online. */
export async function findTwins(
  trx: Queryable,
  gpuIds: readonly string[],
  nodeIds: readonly string[],
): Promise<Twins[]> {
  if (gpuIds.length === 0 && nodeIds.length === 0) return [];
  const { rows } = await sql<Twins>`
    with asked as materialized (
      select unnest(${gpuIds}::uuid[]) as id
      union select id from gpus where node_id = any(${nodeIds}::uuid[]) and removed_at is null
    )
    select gpu.uuid, ${side('gpu', 'node')} as one, ${side('twin', 'twin_node')} as other
    from asked
    join gpus as gpu on gpu.id = asked.id and gpu.uuid <> '' and gpu.removed_at is null
    -- A fence: one look into the index a GPU, whatever the planner believes of a table that has just grown.
    cross join lateral (
      select * from gpus
      where gpus.uuid = gpu.uuid and gpus.node_id <> gpu.node_id and gpus.removed_at is null
      offset 0
    ) as twin
    join nodes as node on node.id = gpu.node_id and node.status <> 'offline'
    join nodes as twin_node on twin_node.id = twin.node_id and twin_node.status <> 'offline'
  `.execute(trx);
  return rows;
}

/** The subjects of open incidents about twins of which one side is gone or offline by now. */
export async function findPartedTwins(trx: Queryable): Promise<string[]> {
  const { rows } = await sql<{ subject: string }>`
    select incidents.subject
    from incidents
    left join gpus as gpu on gpu.id = incidents.gpu_id and gpu.removed_at is null
    left join nodes as node on node.id = gpu.node_id and node.status <> 'offline'
    where incidents.kind = 'duplicate-gpu' and incidents.closed_at is null and (node.id is null or not exists (
      select from gpus as twin join nodes as twin_node on twin_node.id = twin.node_id
      where twin.uuid = gpu.uuid and twin.node_id <> gpu.node_id and twin.removed_at is null
        and twin_node.status <> 'offline'
    ))
  `.execute(trx);
  return rows.map(({ subject }) => subject);
}
