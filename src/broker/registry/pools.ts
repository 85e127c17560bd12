// Pools of a provider's GPUs: static ones with members that are declared, dynamic ones with those that a selector finds.
import { type Selectable, sql } from 'kysely';
import type { GpuPage } from '../../api/gpus.ts';
import type { PageQuery } from '../../api/lists.ts';
import type { NewPool, Pool, PoolChange, PoolQuery } from '../../api/pools.ts';
import type { JournalEvent } from '../events/journal.ts';
import { requireOwner, visibleAccount } from '../identity/policy.ts';
import type { Principal } from '../identity/principal.ts';
import { newId } from '../ids.ts';
import { encodeCursor, pageOf } from '../paging.ts';
import { invalid, notFound, Refusal } from '../refusal.ts';
import type { Queryable } from '../storage/database.ts';
import type { Schema } from '../storage/schema.ts';
import { transact } from '../storage/transact.ts';
import { type RegistryContext, recordChange, takeName } from './change.ts';
import { findProvider } from './ownership.ts';
import { readIdCursor } from './providers.ts';
import { filterBranches } from './search/gpu-filter.ts';
import { gpuColumns } from './search/gpu-view.ts';
import { searchWithin, showGpus } from './search/search.ts';

type PoolRow = Selectable<Schema['pools']>;

function poolView({ id, provider_id, name, kind, selector, created_at }: PoolRow): Pool {
  return { id, provider_id, name, kind, selector, created_at: created_at.toISOString() };
}

function poolEvent(kind: string, at: Date, row: PoolRow): JournalEvent {
  return { kind, at, providerId: row.provider_id, data: poolView(row) };
}

/** @throws Refusal not-found, `GPUB_NAME_TAKEN`, `GPUB_INVALID` for a selector that a static pool has or that is wrong */
export async function createPool(
  { db, now }: RegistryContext,
  principal: Principal,
  { provider_id, name, kind, selector }: NewPool,
): Promise<Pool> {
  if (kind === 'dynamic' && !selector) throw invalid('body.selector', null, 'the filters of a search');
  if (kind === 'static' && selector) throw invalid('body.selector', 'given', 'none: a static pool has members');
  if (selector) checkSelector(selector);
  const at = now();
  return transact(db, async (trx) => {
    const provider = await findProvider(trx, principal, provider_id);
    const row = await takeName(
      'body.name',
      name,
      trx
        .insertInto('pools')
        .values({
          id: newId(at.getTime()),
          provider_id: provider.id,
          name,
          kind,
          selector: selector ? JSON.stringify(selector) : null,
          created_at: at,
        })
        .returningAll()
        .executeTakeFirstOrThrow(),
    );
    await recordChange(trx, at, principal, {
      action: 'pool.create',
      accountId: provider.account_id,
      target: { kind: 'pool', id: row.id },
      details: { name, kind, ...(selector && { selector }) },
      events: [poolEvent('pool.created', at, row)],
    });
    return poolView(row);
  });
}

/** The schema has checked its fields; this checks what it cannot. */
function checkSelector(selector: NonNullable<NewPool['selector']>): void {
  try {
    filterBranches(selector, { providers: undefined, models: undefined });
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw invalid('body.selector.attributes', selector.attributes, error.details.allowed ?? 'JSON');
  }
}

/** @throws Refusal not-found */
export async function getPool({ db }: RegistryContext, principal: Principal, id: string): Promise<Pool> {
  return poolView(await findPool(db, principal, id));
}

async function findPool(db: Queryable, principal: Principal, id: string): Promise<PoolRow & { account_id: string }> {
  const row = await db
    .selectFrom('pools')
    .innerJoin('providers', 'providers.id', 'pools.provider_id')
    .selectAll('pools')
    .select('providers.account_id')
    .where('pools.id', '=', id)
    .executeTakeFirst();
  requireOwner(principal, row?.account_id, 'pool', id);
  if (!row) throw notFound('pool', id);
  return row;
}

export async function listPools({ db }: RegistryContext, principal: Principal, query: PoolQuery) {
  const { limit = 50, cursor, provider_id } = query;
  const account = visibleAccount(principal);
  const place = readIdCursor(cursor);
  let rows = db.selectFrom('pools').innerJoin('providers', 'providers.id', 'pools.provider_id').selectAll('pools');
  if (account !== undefined) rows = rows.where('providers.account_id', '=', account);
  if (provider_id !== undefined) rows = rows.where('pools.provider_id', '=', provider_id);
  if (place) rows = rows.where('pools.id', '>', place[0]);
  const found = await rows
    .orderBy('pools.id')
    .limit(limit + 1)
    .execute();
  return pageOf(found, limit, ({ id }) => [id], poolView);
}

/** @throws Refusal not-found, `GPUB_NAME_TAKEN`, `GPUB_INVALID` */
export async function updatePool(
  { db, now }: RegistryContext,
  principal: Principal,
  id: string,
  { name, selector }: PoolChange,
): Promise<Pool> {
  return transact(db, async (trx) => {
    const before = await findPool(trx, principal, id);
    if (selector && before.kind === 'static') {
      throw invalid('body.selector', 'given', 'none: a static pool has members');
    }
    if (selector) checkSelector(selector);
    const set = { ...(name !== undefined && { name }), ...(selector && { selector: JSON.stringify(selector) }) };
    const row = await takeName(
      'body.name',
      name ?? '',
      trx.updateTable('pools').set(set).where('id', '=', id).returningAll().executeTakeFirstOrThrow(),
    );
    const at = now();
    await recordChange(trx, at, principal, {
      action: 'pool.update',
      accountId: before.account_id,
      target: { kind: 'pool', id },
      details: { ...(name !== undefined && { name }), ...(selector && { selector }) },
      events: [poolEvent('pool.changed', at, row)],
    });
    return poolView(row);
  });
}

/** @throws Refusal not-found */
export async function deletePool({ db, now }: RegistryContext, principal: Principal, id: string): Promise<void> {
  await transact(db, async (trx) => {
    const row = await findPool(trx, principal, id);
    await trx.deleteFrom('pools').where('id', '=', id).execute();
    const at = now();
    await recordChange(trx, at, principal, {
      action: 'pool.delete',
      accountId: row.account_id,
      target: { kind: 'pool', id },
      details: { name: row.name },
      events: [poolEvent('pool.removed', at, row)],
    });
  });
}

/** Adds or removes members; returns how many were. @throws Refusal not-found; `GPUB_POOL_DYNAMIC` */
export async function changeMembers(
  { db, now }: RegistryContext,
  principal: Principal,
  id: string,
  what: 'add' | 'remove',
  gpuIds: readonly string[],
): Promise<number> {
  return transact(db, async (trx) => {
    const pool = await findPool(trx, principal, id);
    if (pool.kind === 'dynamic') {
      throw new Refusal('conflict', 'GPUB_POOL_DYNAMIC', `pool ${id} is dynamic: change its selector instead`);
    }
    const wanted = [...new Set(gpuIds.map((gpu) => gpu.toLowerCase()))];
    if (what === 'add') await requireGpus(trx, pool.provider_id, wanted);
    const query =
      what === 'add'
        ? sql`insert into pool_members (pool_id, gpu_id) select ${id}::uuid, unnest(${wanted}::uuid[])
            on conflict do nothing`
        : sql`delete from pool_members where pool_id = ${id} and gpu_id = any(${wanted}::uuid[])`;
    const changed = Number((await query.execute(trx)).numAffectedRows ?? 0);
    if (changed === 0) return 0;
    const at = now();
    await recordChange(trx, at, principal, {
      action: 'pool.update',
      accountId: pool.account_id,
      target: { kind: 'pool', id },
      details: { [what]: wanted },
      events: [poolEvent('pool.changed', at, pool)],
    });
    return changed;
  });
}

/** A provider pools its own GPUs only. */
async function requireGpus(trx: Queryable, providerId: string, ids: readonly string[]): Promise<void> {
  const rows = await trx
    .selectFrom('gpus')
    .select('id')
    .where('id', 'in', [...ids])
    .where('provider_id', '=', providerId)
    .where('removed_at', 'is', null)
    .execute();
  const found = new Set(rows.map(({ id }) => id));
  const missing = ids.find((id) => !found.has(id));
  if (missing !== undefined) throw notFound('GPU', missing);
}

/** The members of a pool, at this moment, by id; removed GPUs are none. @throws Refusal not-found */
export async function listPoolGpus(
  { db }: RegistryContext,
  principal: Principal,
  id: string,
  page: PageQuery,
): Promise<GpuPage> {
  const pool = await findPool(db, principal, id);
  if (pool.kind === 'dynamic') {
    return searchWithin(db, { providerIds: [pool.provider_id] }, { ...pool.selector, ...page });
  }
  const { limit = 50, cursor } = page;
  const place = readIdCursor(cursor);
  let query = db
    .selectFrom('pool_members')
    .innerJoin('gpus', 'gpus.id', 'pool_members.gpu_id')
    .innerJoin('nodes', 'nodes.id', 'gpus.node_id')
    .select(gpuColumns.map((column) => `gpus.${column}` as const))
    .select((eb) => eb('nodes.status', '=', 'offline').as('node_offline'))
    .where('pool_members.pool_id', '=', id)
    .where('gpus.removed_at', 'is', null);
  if (place) query = query.where('pool_members.gpu_id', '>', place[0]);
  const rows = await query
    .orderBy('pool_members.gpu_id')
    .limit(limit + 1)
    .execute();
  const shown = rows.slice(0, limit).map((row) => ({ ...row, node_offline: Boolean(row.node_offline) }));
  const last = rows.length > limit ? shown.at(-1) : undefined;
  return { items: await showGpus(db, shown), next_cursor: last ? encodeCursor([last.id]) : null };
}
