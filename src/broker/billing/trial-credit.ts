// Trial credit: a deposit for every new account, made by looking for new accounts now and then, so that none is missed
// whichever way it came to be, and whenever the broker stopped.
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../../daemon/logger.ts';
import { firstId } from '../ids.ts';
import type { Queryable } from '../storage/database.ts';
import type { MovementServices } from './movements.ts';
import { namedId } from './named-id.ts';

export interface TrialCreditOptions extends MovementServices {
  /** Micro-dollars; 0 for none. */
  readonly amount: number;
  readonly log: Log;
  /** Milliseconds between two looks. */
  readonly interval?: number;
}

export interface RunningTrialCredit {
  stop(): Promise<void>;
}

/** Milliseconds: accounts that are older are not new; so long may the broker have been away. */
const newFor = 86_400_000;
const usualInterval = 2000;
/** Milliseconds: an account may become visible after one that is younger. */
const overlap = 600_000;
/** Accounts of one query. */
const piece = 1000;
const nobody = '00000000-0000-0000-0000-000000000000';

/** Starts to look for new accounts; nothing happens where the amount is 0. */
export function startTrialCredit(options: TrialCreditOptions): RunningTrialCredit {
  if (options.amount === 0) return { stop: async () => {} };
  const { log, now, interval = usualInterval } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  const running = (async () => {
    let since = now().getTime() - newFor;
    while (!signal.aborted) {
      const at = now().getTime();
      try {
        await creditNewAccounts(options, since);
        since = at - overlap;
      } catch (error) {
        log.warn({ err: error }, 'trial credit could not be given; it is tried again');
      }
      await sleep(interval, undefined, { signal }).catch(() => {});
    }
  })();
  return {
    stop: () => {
      stopping.abort();
      return running;
    },
  };
}

/**
 * Credits the accounts made since then that have not got it; the platform's own, whose user is an admin, gets none.
 * @param since milliseconds since 1970
 * @returns how many were credited
 */
export async function creditNewAccounts(options: TrialCreditOptions, since: number): Promise<number> {
  let credited = 0;
  for (let after = firstId(since); ; ) {
    const ids = await accountsAfter(options.db, after);
    const booked = await bookedOf(options.db, ids.map(creditId));
    const missing = ids.filter((id) => !booked.has(creditId(id)));
    await Promise.all(missing.map((id) => credit(options, id)));
    credited += missing.length;
    const last = ids.at(-1);
    if (last === undefined || ids.length < piece) return credited;
    after = last;
  }
}

async function accountsAfter(db: Queryable, after: string): Promise<string[]> {
  const rows = await db
    .selectFrom('accounts')
    .select('id')
    .where('id', '>', after)
    .where('id', 'not in', (query) => query.selectFrom('users').select('account_id').where('role', '=', 'admin'))
    .orderBy('id')
    .limit(piece)
    .execute();
  return rows.map(({ id }) => id);
}

async function bookedOf(db: Queryable, ids: readonly string[]): Promise<Set<string | null>> {
  if (ids.length === 0) return new Set();
  const rows = await db.selectFrom('ledger_transfers').select('id').where('id', 'in', ids).execute();
  return new Set(rows.map(({ id }) => id));
}

function creditId(accountId: string): string {
  return namedId('trial-credit', accountId);
}

async function credit({ pipeline, amount }: TrialCreditOptions, accountId: string): Promise<void> {
  const id = creditId(accountId);
  const command = { kind: 'deposit', id, accountId, amount, reference: 'trial credit' } as const;
  const name = `trial-credit/${accountId}`;
  const digest = createHash('sha256').update(name).digest('hex');
  await pipeline.submit({ command, actor: null, key: { accountId: nobody, key: name, digest } });
}
