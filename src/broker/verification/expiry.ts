// Lets labels run out: those of GPUs whose last proof is older than proofs are good for. One that is sold keeps its label
// until it is given back, for nobody can challenge it meanwhile.
import { sql } from 'kysely';
import { isHeld } from '../registry/holds.ts';
import type { Database, Queryable } from '../storage/database.ts';
import { transact } from '../storage/transact.ts';
import { lockGpu, settleGpu, standingOf } from './standing.ts';

export interface ExpiryOptions {
  readonly db: Database;
  readonly now: () => Date;
  /** How long a proof is good for, in milliseconds. */
  readonly proofLifetime: number;
  /** Called in every transaction; throws where this process may not write any more. */
  readonly leaderCheck?: ((trx: Queryable) => Promise<void>) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** GPUs that are looked for at once. */
const piece = 500;

/** @returns how many labels ran out */
export async function expireLabels(options: ExpiryOptions): Promise<number> {
  let total = 0;
  let ids: string[] = [];
  do {
    ids = await findExpired(options, ids.at(-1));
    for (const id of ids) {
      if (options.signal?.aborted) return total;
      if (await expire(options, id)) total++;
    }
  } while (ids.length === piece);
  return total;
}

async function findExpired({ db, now, proofLifetime }: ExpiryOptions, after: string | undefined): Promise<string[]> {
  const beyond = after === undefined ? sql`` : sql`and g.id > ${after}`;
  const { rows } = await sql<{ id: string }>`
    select g.id from gpus g where g.label = 'challenge-verified'
      and g.verified_at < ${new Date(now().getTime() - proofLifetime)} and not ${isHeld} ${beyond}
    order by g.id limit ${piece}
  `.execute(db);
  return rows.map(({ id }) => id);
}

/** Each in a transaction of its own: it holds the journal's lock. */
function expire(options: ExpiryOptions, id: string): Promise<boolean> {
  const { db, now, proofLifetime, leaderCheck = async () => {} } = options;
  return transact(db, async (trx) => {
    await leaderCheck(trx);
    const gpu = await lockGpu(trx, sql`g.id = ${id}`);
    if (!gpu) return false;
    const at = now();
    const standing = await standingOf(trx, gpu, { at, proofLifetime });
    // It may have been proven, or sold, in the meantime.
    if (standing.label === gpu.label) return false;
    await settleGpu(trx, at, gpu, standing, 'gpu.verification_expired');
    return true;
  });
}
