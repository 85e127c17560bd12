// Searches GPUs: filters, an order with a tie-breaker, and pages that neither repeat nor skip a row that stays.
import { createHash } from 'node:crypto';
import { type RawBuilder, sql } from 'kysely';
import { Type } from 'typebox';
import type { Condition, Gpu, GpuFilter, GpuPage, GpuQuery } from '../../../api/gpus.ts';
import { pageLimits } from '../../../api/lists.ts';
import { visibleAccount } from '../../identity/policy.ts';
import type { Principal } from '../../identity/principal.ts';
import { providersOf } from '../../identity/visible-providers.ts';
import { isId } from '../../ids.ts';
import { cursorReader, encodeCursor } from '../../paging.ts';
import { invalid } from '../../refusal.ts';
import type { Queryable } from '../../storage/database.ts';
import { heldGpus } from '../holds.ts';
import { type FilterBranch, type FilterContext, filterBranches, sortExpressions } from './gpu-filter.ts';
import { hardwareValues } from './gpu-kinds.ts';
import { type GpuRow, gpuColumns, gpuView } from './gpu-view.ts';

/** More are not counted. */
export const totalCap = 100_000;

type SearchedRow = GpuRow & { node_offline: boolean; sort_key: string | number | null };

/** The hash of the filters and the order, the sort key, the id. */
const readCursor = cursorReader(
  Type.Tuple([Type.String(), Type.Union([Type.String(), Type.Integer(), Type.Null()]), Type.String()]),
);

/** Which providers' GPUs a search is limited to. */
export type SearchScope = { readonly accountId: string | undefined } | { readonly providerIds: readonly string[] };

/**
 * One page of what the caller may see.
 * @param few up to how many rows are found first and then sorted
 * @throws Refusal `GPUB_INVALID` for a cursor that belongs to other filters, or bad attributes.
 */
export async function searchGpus(db: Queryable, principal: Principal, query: GpuQuery, few?: number): Promise<GpuPage> {
  return searchWithin(db, { accountId: visibleAccount(principal) }, query, few);
}

/** One page of what there is within a scope, whoever asks. */
export async function searchWithin(
  db: Queryable,
  scope: SearchScope,
  query: GpuQuery,
  few = usualFew,
): Promise<GpuPage> {
  const { limit = pageLimits.default, cursor, sort = 'id', order = 'asc', total: counted, ...filter } = query;
  const context = await contextOf(db, scope, filter);
  const branches = filterBranches(filter, context);
  const fingerprint = fingerprintOf({ filter, sort, order });
  const place = readCursor(cursor);
  if (place && (place[0] !== fingerprint || !isId(place[2]) || !isPlace(place[1], effectiveSort(sort, filter)))) {
    throw invalid('query.cursor', cursor, 'the next_cursor of the page before, with the same filters and order');
  }
  const nothing = [context.providers, context.models].some((list) => list?.length === 0);
  const rows = nothing
    ? []
    : await readPage(db, branches, { sort: effectiveSort(sort, filter), order, place, limit, few }, filter, context);
  const items = await showGpus(db, rows.slice(0, limit));
  const last = rows.length > limit ? rows[limit - 1] : undefined;
  const found = counted ? (nothing ? 0 : await countUpTo(db, branches, totalCap + 1)) : undefined;
  return {
    items,
    next_cursor: last ? encodeCursor([fingerprint, last.sort_key, last.id]) : null,
    ...(found !== undefined && { total: Math.min(found, totalCap), total_capped: found > totalCap }),
  };
}

/** The GPUs as they are now, with their conditions and with what is allocated, in the order given. */
export async function showGpus(db: Queryable, rows: readonly (GpuRow & { node_offline: boolean })[]): Promise<Gpu[]> {
  const gpus = await withConditions(db, rows);
  const held = await heldGpus(
    db,
    rows.map(({ id }) => id),
  );
  return gpus.map((gpu) => (held.has(gpu.id) ? { ...gpu, status: 'allocated' } : gpu));
}

/** The GPUs as the journal tells of them, with their conditions, in the order given: what trades hold is not in it. */
export async function withConditions(
  db: Queryable,
  rows: readonly (GpuRow & { node_offline: boolean })[],
): Promise<Gpu[]> {
  const conditions = await conditionsOf(
    db,
    rows.map(({ id }) => id),
  );
  return rows.map(({ node_offline, ...row }) => gpuView(pick(row), conditions.get(row.id) ?? [], node_offline));
}

function pick(row: GpuRow): GpuRow {
  return Object.fromEntries(gpuColumns.map((column) => [column, row[column]])) as unknown as GpuRow;
}

/** The conditions of GPUs, ordered by type. */
export async function conditionsOf(db: Queryable, gpuIds: readonly string[]): Promise<Map<string, Condition[]>> {
  const found = new Map<string, Condition[]>(gpuIds.map((id) => [id, []]));
  if (gpuIds.length === 0) return found;
  const rows = await db
    .selectFrom('gpu_conditions')
    .selectAll()
    .where('gpu_id', 'in', [...gpuIds])
    .orderBy('type')
    .execute();
  for (const { gpu_id, last_transition_at, ...condition } of rows) {
    found.get(gpu_id)?.push({ ...condition, last_transition_at: last_transition_at?.toISOString() ?? null });
  }
  return found;
}

async function contextOf(db: Queryable, scope: SearchScope, { q }: GpuFilter): Promise<FilterContext> {
  return {
    providers: 'providerIds' in scope ? scope.providerIds : await providersOf(db, scope.accountId),
    models: q === undefined ? undefined : await modelsLike(db, q),
  };
}

/** More models are not looked through. */
const maxModels = 10_000;

/** The models that contain a text in any case: steps from one model to the next in the index, so it costs by models, not by rows. */
async function modelsLike(db: Queryable, text: string): Promise<string[]> {
  const { model } = sortExpressions;
  const { rows } = await sql<{ model: string }>`
    with recursive models as (
      (select ${model} as model from gpus g order by ${model} limit 1)
      union all
      select (select ${model} from gpus g where ${model} > models.model order by ${model} limit 1)
      from models where models.model is not null
    )
    select model from models where model <> '' limit ${maxModels}
  `.execute(db);
  // Here rather than in the database, whose locale may know no case but that of ASCII.
  const wanted = text.toLowerCase();
  return rows.map(({ model }) => model).filter((model) => model.toLowerCase().includes(wanted));
}

const microseconds = sql`to_char(sort_key at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

interface PageWanted {
  readonly sort: keyof typeof sortExpressions;
  readonly order: 'asc' | 'desc';
  readonly place: [string, string | number | null, string] | undefined;
  readonly limit: number;
  readonly few: number;
}

/** Where a filter fixes the value that is sorted by, the order is that of the ids. */
function effectiveSort(sort: PageWanted['sort'], filter: GpuFilter): PageWanted['sort'] {
  return (sort === 'model' || sort === 'product' || sort === 'region') && filter[sort] !== undefined ? 'id' : sort;
}

/** So many rows are sorted faster than an index in their order is searched for them. */
const usualFew = 5000;

async function readPage(
  db: Queryable,
  branches: readonly FilterBranch[],
  page: PageWanted,
  filter: GpuFilter,
  { models }: FilterContext,
): Promise<SearchedRow[]> {
  // The planner takes filter and order for independent; where they are not, walking an index in order may pass over the
  // whole table before it finds a page. So what is few is found first, and then sorted.
  const few = branches.some(({ conditions }) => conditions.length > 1)
    ? (await countUpTo(db, branches, page.few)) < page.few
    : false;
  const { sort, order, place } = page;
  if (few || (sort !== 'model' && sort !== 'product' && sort !== 'memory_gb')) {
    return readOrdered(db, branches, page, few);
  }
  const values = await hardwareValues(db, filter, models, { sort, order, from: place?.[1] ?? undefined });
  if (!values) return readOrdered(db, branches, page, false);
  const rows: SearchedRow[] = [];
  for (const value of values) {
    const same = branches.map((branch) => ({
      ...branch,
      conditions: [...branch.conditions, sql<boolean>`${sortExpressions[sort]} = ${value}`],
    }));
    const within = place && place[1] === value ? place : undefined;
    const limit = page.limit - rows.length;
    const found = await readOrdered(db, same, { ...page, sort: 'id', place: within, limit }, false);
    rows.push(...found.map((row) => ({ ...row, sort_key: value })));
    if (rows.length > page.limit) break;
  }
  return rows;
}

/** In the order of an index, or sorted where there are few. */
async function readOrdered(
  db: Queryable,
  branches: readonly FilterBranch[],
  page: PageWanted,
  few: boolean,
): Promise<SearchedRow[]> {
  const ids = sql.join(
    branches.map((branch) => branchQuery(branch, page, few)),
    sql` union all `,
  );
  const { key, direction } = orderOf(page);
  const by = key ? sql`sort_key ${direction}, id ${direction}` : sql`id ${direction}`;
  // The time is compared as text of full precision: a Date has milliseconds only.
  const shown = page.sort === 'changed_at' ? microseconds : sql`sort_key`;
  const columns = sql.join(gpuColumns.map((column) => sql.ref(`g.${column}`)));
  const { rows } = await sql<SearchedRow>`
    with page as materialized (
      select * from (${ids}) found order by ${by} limit ${page.limit + 1}
    )
    select ${columns}, n.status = 'offline' as node_offline, ${key ? shown : sql`null`} as sort_key
    from page join gpus g using (id) join nodes n on n.id = g.node_id
    order by ${key ? sql`page.sort_key ${direction},` : sql``} page.id ${direction}
  `.execute(db);
  return rows;
}

/** The ids of one branch, with what they are ordered by. */
function branchQuery({ conditions, joinsNode }: FilterBranch, page: PageWanted, few: boolean): RawBuilder<unknown> {
  const { key, direction, after } = orderOf(page);
  const all = after ? [...conditions, after] : conditions;
  const join = joinsNode ? sql`join nodes n on n.id = g.node_id` : sql``;
  const where = all.length > 0 ? sql`where ${sql.join(all, sql` and `)}` : sql``;
  const by = key ? sql`${key} ${direction}, g.id ${direction}` : sql`g.id ${direction}`;
  const picked = key ? sql`g.id, ${key} as sort_key` : sql`g.id`;
  // An offset keeps the planner from choosing an index for the order that comes later.
  if (few) return sql`(select ${picked} from gpus g ${join} ${where} offset 0)`;
  return sql`(select ${picked} from gpus g ${join} ${where} order by ${by} limit ${page.limit + 1})`;
}

function orderOf({ sort, order, place }: PageWanted) {
  const key: RawBuilder<unknown> | undefined = sortExpressions[sort];
  const direction = order === 'asc' ? sql`asc` : sql`desc`;
  const beyond = order === 'asc' ? sql`>` : sql`<`;
  const type = sql.raw({ memory_gb: 'int8', score: 'int', changed_at: 'timestamptz' }[sort as string] ?? 'text');
  const after =
    place &&
    (key
      ? sql<boolean>`(${key}, g.id) ${beyond} (${place[1]}::${type}, ${place[2]}::uuid)`
      : sql<boolean>`g.id ${beyond} ${place[2]}::uuid`);
  return { key, direction, after };
}

/** Whether a cursor's sort key is one that this order makes. */
function isPlace(key: string | number | null, sort: keyof typeof sortExpressions): boolean {
  if (sort === 'id') return key === null;
  if (sort === 'memory_gb' || sort === 'score') return Number.isSafeInteger(key);
  if (sort === 'changed_at') return typeof key === 'string' && !Number.isNaN(Date.parse(key));
  return typeof key === 'string' && !key.includes('\0') && key.isWellFormed();
}

async function countUpTo(db: Queryable, branches: readonly FilterBranch[], cap: number): Promise<number> {
  let total = 0;
  for (const { conditions, joinsNode } of branches) {
    const join = joinsNode ? sql`join nodes n on n.id = g.node_id` : sql``;
    const where = conditions.length > 0 ? sql`where ${sql.join(conditions, sql` and `)}` : sql``;
    const { rows } = await sql<{ count: number }>`
      select count(*) as count from (select from gpus g ${join} ${where} limit ${cap}) found
    `.execute(db);
    total += rows[0]?.count ?? 0;
  }
  return total;
}

/** The same for the same search, whatever the order of its parameters. */
function fingerprintOf(search: { filter: GpuFilter; sort: string; order: string }): string {
  const filters = Object.entries(search.filter).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256')
    .update(JSON.stringify([filters, search.sort, search.order]))
    .digest('base64url')
    .slice(0, 16);
}
