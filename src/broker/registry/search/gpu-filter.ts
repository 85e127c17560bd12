// From the filters of a search for GPUs to SQL. Values are always parameters.
//
// Filters that find few of many stand on an index of migration 2. The table is `g`; `n`, its node, is joined where a filter asks for it.
import { type RawBuilder, sql } from 'kysely';
import { type GpuFilter, labels } from '../../../api/gpus.ts';
import { invalid } from '../../refusal.ts';
import { isHeld } from '../holds.ts';
import { productNamed } from '../products/products.ts';

/** One way in which a GPU can match; a GPU matches at most one of several. */
export interface FilterBranch {
  readonly conditions: readonly RawBuilder<boolean>[];
  readonly joinsNode: boolean;
}

/** What was looked up before the search itself. */
export interface FilterContext {
  /** The providers whose GPUs the caller may see; undefined for all. */
  readonly providers: readonly string[] | undefined;
  /** The models that `q` names; undefined without `q`. */
  readonly models: readonly string[] | undefined;
}

/** The expressions that the indexes have: what is not known sorts as the lowest. */
export const sortExpressions = {
  id: undefined,
  model: sql<string>`(coalesce(g.model, '') collate "C")`,
  product: sql<string>`(coalesce(g.product, '') collate "C")`,
  region: sql<string>`(g.region collate "C")`,
  memory_gb: sql<number>`coalesce(g.memory_bytes, 0)`,
  score: sql<number>`coalesce(g.score::int, -1)`,
  changed_at: sql<Date>`g.changed_at`,
} as const;

/** The compute capability as a number that sorts: 8.9 → 8009. Null where it is not written as one. */
const capabilityRank = sql`(case when g.compute_capability ~ '^[0-9]{1,3}[.][0-9]{1,3}$' then
  split_part(g.compute_capability, '.', 1)::int * 1000 + split_part(g.compute_capability, '.', 2)::int end)`;

type Condition = RawBuilder<boolean>;
/** Filters that compare one column with their value. */
const columns = [
  'cluster_id',
  'node_id',
  'provider_id',
  'vendor',
  'form_factor',
  'interconnect',
  'architecture',
  'driver_version',
  'cuda_version',
  'vbios_version',
  'serial',
  'uuid',
  'ecc',
  'mig',
  'parent',
  'numa_node',
  'recommended_action',
] as const satisfies readonly (keyof GpuFilter)[];

/**
 * The branches of a search; a GPU is found if one of them holds.
 * @throws Refusal `GPUB_INVALID` for attributes that are no JSON to look for.
 */
export function filterBranches(filter: GpuFilter, context: FilterContext): FilterBranch[] {
  const common = [...columnConditions(filter), ...rangeConditions(filter), ...otherConditions(filter, context)];
  if (!filter.include_removed) common.push(sql<boolean>`g.removed_at is null`);
  const status = filter.node_status;
  if (status !== undefined) common.push(sql<boolean>`n.status = ${status}`);
  const branch = (...more: Condition[]): FilterBranch => ({
    conditions: [...common, ...more],
    joinsNode: status !== undefined || more.length > 0,
  });
  if (filter.health === undefined) return [branch()];
  const online = sql<boolean>`n.status <> 'offline'`;
  const said = sql<boolean>`g.health = ${filter.health}`;
  if (filter.health !== 'unknown') return [branch(said, online)];
  // Shown as unknown: what its node does not know, and everything on a node that is offline. Two searches with an
  // index each are far faster than one with an "or" over two tables.
  const offline = sql<boolean>`n.status = 'offline' and n.joined_at is not null`;
  return [branch(said, online), branch(offline)];
}

function columnConditions(filter: GpuFilter): Condition[] {
  const given = columns.filter((column) => filter[column] !== undefined);
  return given.map((column) => sql<boolean>`${sql.ref(`g.${column}`)} = ${filter[column]}`);
}

function rangeConditions(filter: GpuFilter): Condition[] {
  const found: Condition[] = [];
  const { memory_gb_min: min, memory_gb_max: max, compute_capability_min: capability, score_min, label_min } = filter;
  if (min !== undefined) found.push(sql`${sortExpressions.memory_gb} >= ${Math.ceil(min * 2 ** 30)}::int8`);
  // The expression says 0 where nothing is known, and what is not known is not below any bound.
  if (max !== undefined) {
    found.push(sql`${sortExpressions.memory_gb} <= ${Math.floor(max * 2 ** 30)}::int8 and g.memory_bytes is not null`);
  }
  if (min === 0) found.push(sql`g.memory_bytes is not null`);
  if (score_min !== undefined) found.push(sql`${sortExpressions.score} >= ${score_min}::int`);
  if (label_min !== undefined) found.push(oneOf(sql`g.label`, labels.slice(labels.indexOf(label_min))));
  if (capability !== undefined) {
    const [major = 0, minor = 0] = capability.split('.').map(Number);
    found.push(sql`${capabilityRank} >= ${major * 1000 + minor}::int`);
  }
  return found;
}

function otherConditions(filter: GpuFilter, { providers, models }: FilterContext): Condition[] {
  const found: Condition[] = [];
  if (providers) found.push(oneOf(sql`g.provider_id`, providers, 'uuid'));
  if (models) found.push(oneOf(sortExpressions.model, models));
  // Like the order by them, so that one index serves both.
  if (filter.model !== undefined) found.push(sql`${sortExpressions.model} = ${filter.model}`);
  if (filter.region !== undefined) found.push(sql`${sortExpressions.region} = ${filter.region}`);
  if (filter.product !== undefined) found.push(sql`${sortExpressions.product} = ${productNamed(filter.product).id}`);
  if (filter.status === 'allocated') found.push(isHeld);
  else if (filter.status !== undefined) found.push(sql`g.status = ${filter.status}`, sql`not ${isHeld}`);
  if (filter.condition !== undefined) {
    const [type, status] = filter.condition.split(':');
    found.push(sql`exists (select from gpu_conditions c
      where c.gpu_id = g.id and c.type = ${type} and c.status = ${status})`);
  }
  if (filter.attributes !== undefined) {
    found.push(sql`g.attributes @> ${JSON.stringify(wantedAttributes(filter.attributes))}::jsonb`);
  }
  return found;
}

/** Equality where there is one value: then an index by it is also in the order of what follows in the index. */
function oneOf(column: RawBuilder<unknown>, values: readonly string[], type: 'text' | 'uuid' = 'text'): Condition {
  if (values.length === 1) return sql`${column} = ${values[0]}`;
  return sql`${column} = any(${values}::${sql.raw(type)}[])`;
}

const attributesAllowed = 'a JSON object with at least one value to look for, as {"pci":{"max_link_generation":5}}';

function wantedAttributes(text: string): unknown {
  let wanted: unknown;
  try {
    wanted = JSON.parse(text);
  } catch {
    throw invalid('query.attributes', text, attributesAllowed);
  }
  const object = typeof wanted === 'object' && wanted !== null && !Array.isArray(wanted);
  if (!object || !saysSomething(wanted, 0) || /\\u0000|\\ud[89a-f]/i.test(JSON.stringify(wanted))) {
    throw invalid('query.attributes', text, attributesAllowed);
  }
  return wanted;
}

/** Whether there is a value: empty objects match everything, and are not in the index. Deep ones are refused. */
function saysSomething(value: unknown, depth: number): boolean {
  if (depth > 16) return false;
  if (typeof value !== 'object' || value === null) return true;
  return Object.values(value).some((inner) => saysSomething(inner, depth + 1));
}
