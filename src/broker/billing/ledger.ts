// Checks the ledger against itself and against the orders and trades that its money is held for.
import { type RawBuilder, sql } from 'kysely';
import type { Database, Queryable } from '../storage/database.ts';

/** What one check found. */
export interface LedgerCheck {
  readonly name: string;
  /** How many things are wrong. */
  readonly wrong: number;
  /** The first of them, in words. */
  readonly problems: readonly string[];
}

/** Sums of the whole ledger, in micro-dollars, as decimal text: together they may be more than a number holds. */
export interface LedgerTotals {
  readonly accounts: number;
  readonly transfers: number;
  readonly deposited: string;
  readonly withdrawn: string;
  readonly captured: string;
  readonly available: string;
  readonly escrow: string;
}

export interface LedgerReport {
  readonly sound: boolean;
  /** Place of the journal that was looked at. */
  readonly seq: number;
  readonly totals: LedgerTotals;
  readonly checks: readonly LedgerCheck[];
}

/** Problems of one check that are told. */
const mostTold = 20;
const outside = '00000000-0000-0000-0000-000000000000';

/** Every entry of the ledger: a transfer is two. */
const entries = sql`
  select seq, from_account as account_id, from_kind as kind, -amount as amount from ledger_transfers
  union all
  select seq, to_account, to_kind, amount from ledger_transfers
`;

/** What is wrong, a row each: the text of the column `problem`. */
const checks: Readonly<Record<string, RawBuilder<{ problem: string }>>> = {
  'debits equal credits': sql`
    select format('all balances together are %s micro-dollars, and not 0', sum(balance)) as problem
    from ledger_accounts having sum(balance) <> 0
  `,
  'balances follow from the transfers': sql`
    select format('%s of %s is %s, and its transfers make %s', kind, account_id, coalesce(balance, 0),
      coalesce(moved.amount, 0)) as problem
    from ledger_accounts
    full join (select account_id, kind, sum(amount) as amount from (${entries}) as entry group by 1, 2) as moved
      using (account_id, kind)
    where coalesce(balance, 0) <> coalesce(moved.amount, 0)
  `,
  'no balance was ever below zero': sql`
    select format('%s of %s was below zero after the command %s', kind, account_id, min(seq)) as problem
    from (
      select account_id, kind, seq, sum(sum(amount)) over (partition by account_id, kind order by seq) as balance
      from (${entries}) as entry where kind <> 'outside' group by 1, 2, 3
    ) as history
    where balance < 0 group by account_id, kind
  `,
  'escrow is what open orders and held trades need': sql`
    select format('escrow of %s is %s, and its orders and trades need %s', account_id, coalesce(balance, 0),
      coalesce(needed.amount, 0)) as problem
    from (select account_id, balance from ledger_accounts where kind = 'escrow') as account
    full join (
      select account_id, sum(escrow) as amount from (
        select account_id, escrow from orders where escrow > 0
        union all
        select buyer_account_id, escrow from trades where escrow > 0
      ) as held group by 1
    ) as needed using (account_id)
    where coalesce(balance, 0) <> coalesce(needed.amount, 0)
  `,
  'every order holds what it could cost': sql`
    select format('order %s (%s, %s) holds %s, and needs %s', id, side, status, escrow, needed) as problem
    from (
      select id, side, status, escrow, case when side = 'bid' and status in ('pending', 'partial')
        then price::numeric * open * duration_hours else 0 end as needed
      from orders
    ) as checked
    where escrow <> needed
  `,
  'every trade holds and has paid what it should': sql`
    select format('trade %s: %s seconds cost %s, %s captured, %s in the ledger, %s held', id, settled_seconds, cost,
      captured, paid, escrow) as problem
    from (
      select id, settled_seconds, captured, escrow, ended_at, price::numeric * quantity * duration_hours as whole,
        div(price::numeric * quantity * settled_seconds, 3600) as cost,
        coalesce((select sum(amount) from ledger_transfers
          where trade_id = trades.id and reason = 'capture'), 0) as paid
      from trades
    ) as checked
    where captured <> cost or captured <> paid or captured > whole
      or escrow <> case when ended_at is null then whole - captured else 0 end
  `,
  'every transfer goes where its reason says': sql`
    select format('transfer %s/%s (%s): from %s of %s to %s of %s', seq, position, reason, from_kind, from_account,
      to_kind, to_account) as problem
    from ledger_transfers
    where from_kind || ' to ' || to_kind <> case reason
        when 'deposit' then 'outside to available' when 'withdrawal' then 'available to outside'
        when 'escrow' then 'available to escrow' else 'escrow to available' end
      or (from_account = ${outside}) <> (from_kind = 'outside')
      or (to_account = ${outside}) <> (to_kind = 'outside')
      or (reason in ('escrow', 'release') and from_account <> to_account)
      or (reason = 'capture' and not exists (select from trades where id = trade_id
        and buyer_account_id = from_account and seller_account_id = to_account))
  `,
  'no transfer is newer than the journal': sql`
    select format('transfer %s/%s: the journal ends at %s', seq, position, (select seq from market_state)) as problem
    from ledger_transfers where seq > (select seq from market_state)
  `,
};

/** The names of the checks, in order. */
export const ledgerChecks: readonly string[] = Object.keys(checks);

/**
 * Checks the whole ledger as it is at one moment, while the broker goes on.
 * @param onProgress called before each check
 */
export async function verifyLedger(db: Database, onProgress?: (check: string) => void): Promise<LedgerReport> {
  return db
    .transaction()
    .setIsolationLevel('repeatable read')
    .setAccessMode('read only')
    .execute(async (trx) => {
      const found: LedgerCheck[] = [];
      for (const [name, statement] of Object.entries(checks)) {
        onProgress?.(name);
        found.push(await check(trx, name, statement));
      }
      const { seq } = await trx.selectFrom('market_state').select('seq').executeTakeFirstOrThrow();
      return { sound: found.every(({ wrong }) => wrong === 0), seq, totals: await totalsOf(trx), checks: found };
    });
}

async function check(trx: Queryable, name: string, statement: RawBuilder<{ problem: string }>): Promise<LedgerCheck> {
  const { rows } = await sql<{ problem: string; wrong: number }>`
    select problem, count(*) over () as wrong from (${statement}) as found limit ${mostTold}
  `.execute(trx);
  return { name, wrong: rows[0]?.wrong ?? 0, problems: rows.map(({ problem }) => problem) };
}

async function totalsOf(trx: Queryable): Promise<LedgerTotals> {
  const { rows } = await sql<LedgerTotals>`
    select moved.*, held.* from (
      select count(*) as transfers,
        coalesce(sum(amount) filter (where reason = 'deposit'), 0)::text as deposited,
        coalesce(sum(amount) filter (where reason = 'withdrawal'), 0)::text as withdrawn,
        coalesce(sum(amount) filter (where reason = 'capture'), 0)::text as captured
      from ledger_transfers
    ) as moved, (
      select count(distinct account_id) filter (where kind <> 'outside') as accounts,
        coalesce(sum(balance) filter (where kind = 'available'), 0)::text as available,
        coalesce(sum(balance) filter (where kind = 'escrow'), 0)::text as escrow
      from ledger_accounts
    ) as held
  `.execute(trx);
  const [totals] = rows;
  if (!totals) throw new Error('the totals of the ledger have no row');
  return totals;
}
