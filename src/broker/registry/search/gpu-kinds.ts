// The kinds of hardware that there are, and which values of an order a search for hardware can find at all.
//
// Model, product and memory depend on each other and on the other hardware columns. A search for one of them in the
// order of another would walk an index over all that cannot match. There are few kinds, so they are looked at first: an
// index by the kind gives one GPU of each, whatever the number of GPUs.
import { sql } from 'kysely';
import type { GpuFilter } from '../../../api/gpus.ts';
import type { Queryable } from '../../storage/database.ts';
import { filterBranches, sortExpressions } from './gpu-filter.ts';

/** The expression of the index gpus_kind. */
const columns = [
  'vendor',
  'model',
  'product',
  'form_factor',
  'interconnect',
  'architecture',
  'memory_bytes',
  'compute_capability',
] as const;
const kind = sql.raw(
  `md5(${columns.map((name) => `coalesce(length(g.${name}::text)::text || ':' || g.${name}::text, '-')`).join(' || ')})`,
);

const hardwareFilters = [
  'vendor',
  'model',
  'q',
  'product',
  'form_factor',
  'interconnect',
  'architecture',
  'memory_gb_min',
  'memory_gb_max',
  'compute_capability_min',
] as const satisfies readonly (keyof GpuFilter)[];

/** With more kinds than these, looking at them costs more than it saves. */
const maxKinds = 2000;

/** The orders whose values depend on the hardware. */
export type HardwareSort = 'model' | 'product' | 'memory_gb';

/**
 * The values of an order that GPUs of matching hardware have, in that order; undefined without a filter for hardware, or
 * with too many kinds.
 * @param from the value at which to begin
 */
export async function hardwareValues(
  db: Queryable,
  filter: GpuFilter,
  models: readonly string[] | undefined,
  { sort, order, from }: { sort: HardwareSort; order: 'asc' | 'desc'; from: string | number | undefined },
): Promise<(string | number)[] | undefined> {
  const given = hardwareFilters.filter((name) => filter[name] !== undefined);
  if (given.length === 0) return undefined;
  const hardware: GpuFilter = Object.fromEntries(given.map((name) => [name, filter[name]]));
  const conditions = filterBranches({ ...hardware, include_removed: true }, { providers: undefined, models }).flatMap(
    (branch) => branch.conditions,
  );
  const key = sortExpressions[sort];
  const beyond = order === 'asc' ? sql`>=` : sql`<=`;
  if (from !== undefined) conditions.push(sql`${key} ${beyond} ${from}`);
  const shown = sql.join(columns.map((name) => sql.ref(`g.${name}`)));
  const { rows } = await sql<{ value: string | number | null; kinds: number }>`
    with recursive kinds as (
      (select ${kind} as kind, ${shown} from gpus g order by ${kind} limit 1)
      union all
      select next.* from kinds, lateral (
        select ${kind} as kind, ${shown} from gpus g where ${kind} > kinds.kind order by ${kind} limit 1
      ) next
    ), found as materialized (select * from kinds limit ${maxKinds + 1})
    select distinct ${key} as value, (select count(*) from found) as kinds
    from found g where ${conditions.length > 0 ? sql.join(conditions, sql` and `) : sql`true`}
    order by value ${order === 'asc' ? sql`asc` : sql`desc`}
  `.execute(db);
  if ((rows[0]?.kinds ?? 0) > maxKinds) return undefined;
  return rows.flatMap(({ value }) => (value === null ? [] : [value]));
}
