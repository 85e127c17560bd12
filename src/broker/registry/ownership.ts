// Finds the things of the registry that a caller named, if they may see them.
import type { Selectable } from 'kysely';
import { requireOwner } from '../identity/policy.ts';
import type { Principal } from '../identity/principal.ts';
import { notFound } from '../refusal.ts';
import type { Queryable } from '../storage/database.ts';
import type { Schema } from '../storage/schema.ts';

export type ProviderRow = Selectable<Schema['providers']>;
export type ClusterRow = Selectable<Schema['clusters']>;
export type NodeRow = Selectable<Schema['nodes']>;

/** A thing with the account and the provider whose it is. */
export type Owned<Row> = Row & { readonly account_id: string; readonly provider_id: string };

/**
 * @param lock keeps the row from being changed by others until the transaction ends
 * @throws Refusal not-found
 */
export async function findProvider(
  db: Queryable,
  principal: Principal,
  id: string,
  lock = false,
): Promise<ProviderRow> {
  const query = db.selectFrom('providers').selectAll().where('id', '=', id);
  const row = await (lock ? query.forNoKeyUpdate() : query).executeTakeFirst();
  requireOwner(principal, row?.account_id, 'provider', id);
  if (!row) throw notFound('provider', id);
  return row;
}

/** @throws Refusal not-found */
export async function findCluster(
  db: Queryable,
  principal: Principal,
  id: string,
  lock = false,
): Promise<Owned<ClusterRow>> {
  const query = db
    .selectFrom('clusters')
    .innerJoin('providers', 'providers.id', 'clusters.provider_id')
    .selectAll('clusters')
    .select('providers.account_id')
    .where('clusters.id', '=', id);
  const row = await (lock ? query.forNoKeyUpdate('clusters') : query).executeTakeFirst();
  requireOwner(principal, row?.account_id, 'cluster', id);
  if (!row) throw notFound('cluster', id);
  return row;
}

/** @throws Refusal not-found */
export async function findNode(
  db: Queryable,
  principal: Principal,
  id: string,
  lock = false,
): Promise<Owned<NodeRow> & { readonly region: string }> {
  const query = db
    .selectFrom('nodes')
    .innerJoin('clusters', 'clusters.id', 'nodes.cluster_id')
    .innerJoin('providers', 'providers.id', 'clusters.provider_id')
    .selectAll('nodes')
    .select(['clusters.region', 'clusters.provider_id', 'providers.account_id'])
    .where('nodes.id', '=', id);
  const row = await (lock ? query.forNoKeyUpdate('nodes') : query).executeTakeFirst();
  requireOwner(principal, row?.account_id, 'node', id);
  if (!row) throw notFound('node', id);
  return row;
}
