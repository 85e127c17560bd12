// Runs a transaction, again where another one stood in its way.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Transaction } from 'kysely';
import type { Database } from './database.ts';
import type { Schema } from './schema.ts';

/** Deadlocks and failed serialisation: PostgreSQL has undone everything, and the same may succeed now. */
const collisions = new Set(['40001', '40P01']);
const tries = 5;
/** Milliseconds; up to so long is waited before the second try, and longer before each further one. */
const pause = 20;

/**
 * `work` runs once for each try: it writes to the database alone.
 * @param random in [0, 1): spreads those that collided
 * @throws what `work` throws; a collision only after several tries
 */
export async function transact<Result>(
  db: Database,
  work: (trx: Transaction<Schema>) => Promise<Result>,
  random: () => number = Math.random,
): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await db.transaction().execute(work);
    } catch (error) {
      if (attempt === tries || !isCollision(error)) throw error;
      await sleep(random() * pause * attempt);
    }
  }
}

function isCollision(error: unknown): boolean {
  return error instanceof Error && 'code' in error && collisions.has(String(error.code));
}
