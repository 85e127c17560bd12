// How fast the GPUs of a product really do the work, from the proofs that they passed. A GPU cannot be faster than it is,
// so that what many of them reached can be asked of the others: a plan that expected less would let one do the work of two.
import { sql } from 'kysely';
import type { Queryable } from '../storage/database.ts';

/** What a product comes to. */
export interface Pace {
  /** Rows and columns of the matrices. */
  readonly size: number;
  readonly msPerRound: number;
}

/** Fewer GPUs, or of fewer providers, do not say what is usual: nobody makes the others too slow with a better card. */
export const leastGpus = 8;
export const leastProviders = 3;
/** GPUs that are looked at, those that were verified last. */
const mostGpus = 500;

/**
 * The pace of each product, where enough is known: of what its verified GPUs took in their newest proofs, the middle of
 * each provider's and then the middle of all providers'. None for the others.
 */
export async function pacesOf(db: Queryable, products: readonly string[]): Promise<ReadonlyMap<string, Pace>> {
  const known = await Promise.all(products.map(async (product) => [product, await paceOf(db, product)] as const));
  return new Map(known.flatMap(([product, pace]) => (pace ? [[product, pace]] : [])));
}

async function paceOf(db: Queryable, product: string): Promise<Pace | undefined> {
  const { rows } = await sql<Pace>`
    with verified as materialized (
      -- As the index has it: see migration 2.
      select id, provider_id from gpus where (coalesce(product, '') collate "C") = ${product}
        and label = 'challenge-verified' and removed_at is null
      order by verified_at desc limit ${mostGpus}
    ), newest as (
      select provider_id, proof.size, proof.answer_ms / proof.rounds as ms from verified, lateral (
        select (evidence ->> 'answer_ms')::float8 as answer_ms, (evidence #>> '{plan,size}')::int as size,
          (evidence #>> '{plan,rounds}')::int as rounds
        from verifications v
        where v.gpu_id = verified.id and v.kind = 'proof' and v.outcome = 'passed'
          and not (evidence ->> 'too_fast')::boolean
        order by v.at desc, v.id desc limit 1
      ) proof
    ), providers as (
      select size, count(*) as gpus, percentile_cont(0.5) within group (order by ms) as ms
      from newest group by size, provider_id
    )
    select size, percentile_cont(0.5) within group (order by ms) as "msPerRound" from providers
    group by size having count(*) >= ${leastProviders} and sum(gpus) >= ${leastGpus}
    order by sum(gpus) desc limit 1
  `.execute(db);
  return rows[0];
}
