// Clusters of a provider, with how many GPUs they have.
import { type RawBuilder, sql } from 'kysely';
import type { Cluster, ClusterChange, ClusterQuery, NewCluster } from '../../api/clusters.ts';
import type { JournalEvent } from '../events/journal.ts';
import { visibleAccount } from '../identity/policy.ts';
import type { Principal } from '../identity/principal.ts';
import { newId } from '../ids.ts';
import { closeIncidentsOf } from '../incidents/incidents.ts';
import { pageOf } from '../paging.ts';
import type { Queryable } from '../storage/database.ts';
import { transact } from '../storage/transact.ts';
import { countRows, inUse, type RegistryContext, recordChange, takeName } from './change.ts';
import { isHeld, refuseWhileHeld } from './holds.ts';
import { type ClusterRow, findCluster, findProvider } from './ownership.ts';
import { readIdCursor } from './providers.ts';

interface Counts {
  readonly nodes: number;
  readonly total_gpus: number;
  readonly available_gpus: number;
}

function clusterView(row: ClusterRow, counts: Counts): Cluster {
  return {
    id: row.id,
    provider_id: row.provider_id,
    name: row.name,
    region: row.region,
    specs: row.specs,
    ...counts,
    created_at: row.created_at.toISOString(),
  };
}

/** Counts are of the moment, so events do not carry them. */
function clusterEvent(kind: string, at: Date, row: ClusterRow): JournalEvent {
  const { id, provider_id, name, region, specs } = row;
  const data = { id, provider_id, name, region, specs, created_at: row.created_at.toISOString() };
  return { kind, at, providerId: row.provider_id, clusterId: row.id, data };
}

/** @throws Refusal not-found, `GPUB_NAME_TAKEN` */
export async function createCluster(
  { db, now }: RegistryContext,
  principal: Principal,
  providerId: string,
  given: NewCluster,
): Promise<string> {
  const at = now();
  const id = newId(at.getTime());
  await transact(db, async (trx) => {
    const provider = await findProvider(trx, principal, providerId, true);
    const { name, region, specs = {} } = given;
    const row = await takeName(
      'body.name',
      name,
      trx
        .insertInto('clusters')
        .values({ id, provider_id: provider.id, name, region, specs: JSON.stringify(specs), created_at: at })
        .returningAll()
        .executeTakeFirstOrThrow(),
    );
    await recordChange(trx, at, principal, {
      action: 'cluster.create',
      accountId: provider.account_id,
      target: { kind: 'cluster', id },
      details: { name, region },
      events: [clusterEvent('cluster.created', at, row)],
    });
  });
  return id;
}

/** @throws Refusal not-found */
export async function getCluster({ db }: RegistryContext, principal: Principal, id: string): Promise<Cluster> {
  const { account_id: _, ...row } = await findCluster(db, principal, id);
  return withCounts(db, [row]).then(([view]) => view as Cluster);
}

/** Those of the caller's account, or of one provider; all, for an admin. @throws Refusal not-found */
export async function listClusters({ db }: RegistryContext, principal: Principal, query: ClusterQuery) {
  const { limit = 50, region, provider_id: provider } = query;
  if (provider !== undefined) await findProvider(db, principal, provider);
  return readClusters(db, visibleAccount(principal), query.cursor, limit, { region, provider });
}

/** Those of the caller's own account, also for an admin. */
export async function listOwnClusters({ db }: RegistryContext, principal: Principal, query: ClusterQuery) {
  const { limit = 50, region, provider_id: provider } = query;
  return readClusters(db, principal.accountId, query.cursor, limit, { region, provider });
}

async function readClusters(
  db: Queryable,
  account: string | undefined,
  cursor: string | undefined,
  limit: number,
  { region, provider }: { region: string | undefined; provider: string | undefined },
) {
  const place = readIdCursor(cursor);
  let query = db
    .selectFrom('clusters')
    .innerJoin('providers', 'providers.id', 'clusters.provider_id')
    .selectAll('clusters');
  if (account !== undefined) query = query.where('providers.account_id', '=', account);
  if (provider !== undefined) query = query.where('clusters.provider_id', '=', provider);
  if (region !== undefined) query = query.where('clusters.region', '=', region);
  if (place) query = query.where('clusters.id', '>', place[0]);
  const rows = await query
    .orderBy('clusters.id')
    .limit(limit + 1)
    .execute();
  const page = pageOf(
    rows,
    limit,
    ({ id }) => [id],
    (row) => row,
  );
  return { ...page, items: await withCounts(db, page.items) };
}

/** Counts for all clusters of a page at once. */
async function withCounts(db: Queryable, rows: readonly ClusterRow[]): Promise<Cluster[]> {
  const ids = rows.map(({ id }) => id);
  const counting: RawBuilder<Counts & { cluster_id: string }> = sql`
    select c.id as cluster_id,
      (select count(*) from nodes where cluster_id = c.id and decommissioned_at is null) as nodes,
      count(g.id) as total_gpus,
      count(g.id) filter (where g.status = 'available' and g.health = 'healthy' and n.status <> 'offline'
        and not n.cordoned and not n.draining and not ${isHeld}) as available_gpus
    from unnest(${ids}::uuid[]) as c(id)
      left join (gpus g join nodes n on n.id = g.node_id)
        on g.cluster_id = c.id and g.removed_at is null and g.parent is null
    group by c.id
  `;
  const found = new Map((await counting.execute(db)).rows.map(({ cluster_id, ...counts }) => [cluster_id, counts]));
  return rows.map((row) => clusterView(row, found.get(row.id) ?? { nodes: 0, total_gpus: 0, available_gpus: 0 }));
}

/** Its region stays: GPUs were found by it. @throws Refusal not-found, `GPUB_NAME_TAKEN` */
export async function updateCluster(
  { db, now }: RegistryContext,
  principal: Principal,
  id: string,
  { name, specs }: ClusterChange,
): Promise<Cluster> {
  const row = await transact(db, async (trx) => {
    const { account_id } = await findCluster(trx, principal, id, true);
    const set = { ...(name !== undefined && { name }), ...(specs && { specs: JSON.stringify(specs) }) };
    const changed = await takeName(
      'body.name',
      name ?? '',
      trx.updateTable('clusters').set(set).where('id', '=', id).returningAll().executeTakeFirstOrThrow(),
    );
    const at = now();
    await recordChange(trx, at, principal, {
      action: 'cluster.update',
      accountId: account_id,
      target: { kind: 'cluster', id },
      details: { ...(name !== undefined && { name }), ...(specs && { specs }) },
      events: [clusterEvent('cluster.changed', at, changed)],
    });
    return changed;
  });
  return (await withCounts(db, [row]))[0] as Cluster;
}

/** Goes with its nodes that are decommissioned. @throws Refusal not-found; `GPUB_IN_USE` while others are left, or GPUs are held */
export async function deleteCluster({ db, now }: RegistryContext, principal: Principal, id: string): Promise<void> {
  await transact(db, async (trx) => {
    const row = await findCluster(trx, principal, id, true);
    const live = await countRows(
      trx,
      sql<{ count: number }>`
        select count(*) as count from nodes where cluster_id = ${id} and decommissioned_at is null`,
    );
    if (live > 0) throw inUse('cluster', `it has ${live} ${live === 1 ? 'node' : 'nodes'}: decommission them first`);
    await refuseWhileHeld(trx, 'cluster', id);
    const at = now();
    await recordChange(trx, at, principal, {
      action: 'cluster.delete',
      accountId: row.account_id,
      target: { kind: 'cluster', id },
      details: { name: row.name },
      events: [clusterEvent('cluster.removed', at, row)],
    });
    await closeIncidentsOf(trx, at, 'cluster', [id], 'the cluster was removed');
    await trx.deleteFrom('nodes').where('cluster_id', '=', id).execute();
    await trx.deleteFrom('clusters').where('id', '=', id).execute();
  });
}
