// What products are usually measured at: the medians of their GPUs, for the bands. Only GPUs that have proven what they are
// count, so that nobody moves a band with cards that are made up.
import { sql } from 'kysely';
import type { ModelHistory } from '../../score/band.ts';
import { type FigureName, figureNames } from '../../score/figures.ts';
import type { Queryable } from '../storage/database.ts';

/** Knows the history of products. */
export interface ProductHistory {
  /** Of a product by one interface, `cuda` or `opencl`: as it was at most some minutes ago. Nothing of null. */
  of(db: Queryable, product: string | null, backend: string): Promise<ModelHistory>;
}

/** GPUs that are looked at, those that were measured last: one that is measured without end counts once, too. */
const mostGpus = 500;
/** Milliseconds. */
const keptFor = 5 * 60_000;
/** Beyond, whoever was read longest ago is forgotten. */
const mostKept = 500;

/** @param now milliseconds, of a clock that never goes back */
export function createProductHistory(now: () => number = () => performance.now()): ProductHistory {
  const kept = new Map<string, { readonly at: number; readonly history: ModelHistory }>();
  return {
    async of(db, product, backend) {
      if (product === null) return {};
      const key = `${backend} ${product}`;
      const known = kept.get(key);
      if (known && now() - known.at < keptFor) return known.history;
      const history = await readHistory(db, product, backend);
      kept.delete(key);
      kept.set(key, { at: now(), history });
      const [oldest] = kept.keys();
      if (kept.size > mostKept && oldest !== undefined) kept.delete(oldest);
      return history;
    },
  };
}

/** The medians of each figure, one of each GPU: of its newest measurement that could be judged. */
export async function readHistory(db: Queryable, product: string, backend: string): Promise<ModelHistory> {
  const { rows } = await sql<{ name: string; medians: number[] }>`
    with verified as materialized (
      -- As the index has it: see migration 2.
      select id, identified_at from gpus where (coalesce(product, '') collate "C") = ${product}
        and label = 'challenge-verified' and measured_at is not null
      order by measured_at desc limit ${mostGpus}
    ), newest as (
      select verified.id as gpu_id, measurement.id from verified, lateral (
        select id from verifications v
        where v.gpu_id = verified.id and v.kind = 'measurement' and v.outcome <> 'unsupported'
          and v.reason is distinct from 'implausible' and v.evidence ->> 'backend' = ${backend}
          and (verified.identified_at is null or v.at > verified.identified_at)
        order by v.at desc, v.id desc limit 1
      ) measurement
    ), medians as (
      select name, gpu_id, percentile_cont(0.5) within group (order by value) as median
      from newest join verification_samples on verification_id = newest.id group by name, gpu_id
    )
    select name, array_agg(median order by gpu_id) as medians from medians group by name
  `.execute(db);
  const found = new Map(rows.map(({ name, medians }) => [name, medians]));
  return Object.fromEntries(
    figureNames.flatMap((name): [FigureName, number[]][] => {
      const medians = found.get(name);
      return medians ? [[name, medians]] : [];
    }),
  );
}
