// Reads and locks the rows of nodes that a batch is about. Always in the order of their ids, so that two transactions
// never wait for each other.
import { type Selectable, sql } from 'kysely';
import type { Queryable } from '../../../storage/database.ts';
import type { Schema } from '../../../storage/schema.ts';

/** A node with what its GPUs copy from its cluster. */
export type NodeRow = Selectable<Schema['nodes']> & { readonly provider_id: string; readonly region: string };

/** By id; who is not registered is absent. */
export async function loadNodes(trx: Queryable, nodeIds: readonly string[]): Promise<Map<string, NodeRow>> {
  const { rows } = await sql<NodeRow>`
    select nodes.*, clusters.provider_id, clusters.region
    from nodes join clusters on clusters.id = nodes.cluster_id
    where nodes.id = any(${nodeIds}::uuid[])
    order by nodes.id
    for no key update of nodes
  `.execute(trx);
  return new Map(rows.map((row) => [row.id, row]));
}

/** For who writes more nodes than it reads. */
export async function lockNodes(trx: Queryable, nodeIds: readonly string[]): Promise<void> {
  await sql`
    select from nodes where id = any(${nodeIds}::uuid[]) order by id for no key update
  `.execute(trx);
}
