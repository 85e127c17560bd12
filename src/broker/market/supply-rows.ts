// What nodes have to sell, read from the registry: the one place that says which GPU is sellable and which is occupied.
import { sql } from 'kysely';
import type { NodeSupply } from '../engine/supply.ts';
import type { Queryable } from '../storage/database.ts';

/** A node as the registry has it now. */
export interface RegisteredNode {
  readonly supply: NodeSupply;
  /** Out for good: it will never sell again. */
  readonly decommissioned: boolean;
}

/**
 * Sellable: the provider may sell, the node is online and in service, the GPU is healthy and not in maintenance. A GPU
 * that is split into MIG instances is not sold whole; its instances are not sold while it is in maintenance.
 * Occupied: its node sees a process compute on it, or a pod holds it, or the node should know of pods and does not. A
 * driver that lists no processes says nothing against it, and neither does a node without Kubernetes.
 */
const gpu = sql`jsonb_build_object(
  'id', g.id, 'product', g.product, 'label', g.label, 'score', coalesce(g.score, 0),
  'sellable', p.status = 'verified' and n.status <> 'offline' and not n.cordoned and not n.draining
    and g.health = 'healthy' and g.status <> 'maintenance'
    and not (g.parent is null and coalesce(g.mig, false))
    and not exists (
      select from gpus whole
      where whole.node_id = g.node_id and whole.name = g.parent and whole.status = 'maintenance'),
  'occupied', coalesce(g.compute_processes, 0) > 0 or coalesce(g.pod_allocation, 'none') <> 'none')`;

/** Of those of the nodes that are registered, by id; all in one snapshot of the database. */
export async function readNodes(db: Queryable, nodeIds: readonly string[]): Promise<Map<string, RegisteredNode>> {
  if (nodeIds.length === 0) return new Map();
  const { rows } = await sql<NodeSupply & { decommissioned: boolean }>`
    select n.id as "nodeId", c.id as "clusterId", p.id as "providerId", p.account_id as "accountId", c.region,
      n.decommissioned_at is not null as decommissioned,
      coalesce((
        select jsonb_agg(${gpu} order by g.name collate "C") from gpus g
        where g.node_id = n.id and g.removed_at is null and g.product is not null
      ), '[]') as gpus
    from nodes n join clusters c on c.id = n.cluster_id join providers p on p.id = c.provider_id
    where n.id = any(${nodeIds}::uuid[])
  `.execute(db);
  return new Map(rows.map(({ decommissioned, ...supply }) => [supply.nodeId, { supply, decommissioned }]));
}

/** The nodes of a provider or a cluster, by id. */
export async function nodesOf(db: Queryable, place: 'provider' | 'cluster', id: string): Promise<string[]> {
  const column = sql.ref(place === 'provider' ? 'c.provider_id' : 'c.id');
  const { rows } = await sql<{ id: string }>`
    select n.id from nodes n join clusters c on c.id = n.cluster_id where ${column} = ${id} order by n.id
  `.execute(db);
  return rows.map((row) => row.id);
}

/** The next nodes by id that the registry or the market knows; `after` is the last one of the page before. */
export async function pageOfNodes(db: Queryable, after: string, limit: number): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    (select id from nodes where id > ${after} order by id limit ${limit})
    union (select node_id from node_supply where node_id > ${after} order by node_id limit ${limit})
    union (select node_id from node_pricing where node_id > ${after} order by node_id limit ${limit})
    order by id limit ${limit}
  `.execute(db);
  return rows.map((row) => row.id);
}
