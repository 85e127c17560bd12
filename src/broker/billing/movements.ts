// Money that comes in and goes out: one command of the market each, booked once however often it is asked for.
import { formatMoney, type MoneyInput, parseMoney } from '../../api/money.ts';
import type { NewDeposit, NewWithdrawal, WalletMovement } from '../../api/wallets.ts';
import type { Actor, IdempotencyKey, Pipeline } from '../commit/contract.ts';
import { actorOf, appendAudit } from '../identity/audit.ts';
import type { Principal } from '../identity/principal.ts';
import { newId } from '../ids.ts';
import { invalid, Refusal } from '../refusal.ts';
import type { Database, Queryable } from '../storage/database.ts';
import { namedId } from './named-id.ts';

export interface MovementServices {
  readonly db: Database;
  readonly now: () => Date;
  readonly pipeline: Pick<Pipeline, 'submit'>;
}

/** What is booked. */
export interface Movement {
  readonly kind: 'deposit' | 'withdraw';
  /** A name's where there is a name: see named-id.ts. */
  readonly id: string;
  readonly accountId: string;
  /** Micro-dollars, above 0. */
  readonly amount: number;
  readonly reference: string;
}

/** A movement that is durable. */
export interface Booked {
  /** Micro-dollars that the account could spend after it. */
  readonly available: number;
  /** It was booked before, under the same name. */
  readonly before: boolean;
}

/**
 * Credits money that came in elsewhere.
 * @throws Refusal of an amount or account that is none; `GPUB_IDEMPOTENCY_KEY_REUSED`; of the pipeline
 */
export async function deposit(
  services: MovementServices,
  by: Principal,
  { amount: given, account_id, reference = '' }: NewDeposit,
  key: IdempotencyKey | undefined,
): Promise<WalletMovement> {
  const accountId = (account_id ?? by.accountId).toLowerCase();
  const amount = amountOf(given);
  await requireAccount(services.db, accountId);
  return moved(
    services,
    by,
    { kind: 'deposit', id: idOf(services, 'deposit', key), accountId, amount, reference },
    key,
  );
}

/**
 * Books money out of the caller's own account; paying it out is done elsewhere.
 * @throws Refusal `GPUB_INSUFFICIENT_FUNDS` (payment) beyond the free balance; otherwise as deposit
 */
export async function withdraw(
  services: MovementServices,
  by: Principal,
  { amount: given, reference = '' }: NewWithdrawal,
  key: IdempotencyKey | undefined,
): Promise<WalletMovement> {
  const amount = amountOf(given);
  const { accountId } = by;
  return moved(
    services,
    by,
    { kind: 'withdraw', id: idOf(services, 'withdraw', key), accountId, amount, reference },
    key,
  );
}

function idOf({ now }: MovementServices, kind: string, key: IdempotencyKey | undefined): string {
  return key ? namedId(kind, key.accountId, key.key) : newId(now().getTime());
}

async function moved(
  services: MovementServices,
  by: Principal,
  movement: Movement,
  key: IdempotencyKey | undefined,
): Promise<WalletMovement> {
  const actor = { accountId: by.accountId, userId: by.userId };
  const { available, before } = await book(services, movement, actor, key);
  const { id, accountId, reference } = movement;
  const amount = formatMoney(movement.amount);
  if (!before) {
    const at = services.now();
    const action = `wallet.${movement.kind}`;
    const target = { kind: 'account', id: accountId };
    const details = { id, amount, reference };
    await appendAudit(services.db, at, { actor: actorOf(by), accountId, action, target, outcome: 'allowed', details });
  }
  return { id, account_id: accountId, amount, reference, available: formatMoney(available) };
}

/** Books it, unless its id is in the ledger already. The ledger remembers names for ever, the journal for a while. */
export async function book(
  { db, pipeline }: MovementServices,
  movement: Movement,
  actor: Actor | null,
  key: IdempotencyKey | undefined,
): Promise<Booked> {
  const before = key && (await findBooked(db, movement));
  if (before !== undefined) return { available: before, before: true };
  const { available = 0 } = await pipeline.submit({ command: movement, actor, key });
  return { available, before: false };
}

/** What the account could spend after the movement, if it is booked. @throws Refusal where another one has its id */
async function findBooked(db: Queryable, { kind, id, accountId, amount }: Movement): Promise<number | undefined> {
  const row = await db
    .selectFrom('ledger_transfers as transfer')
    .leftJoin('market_journal as journal', 'journal.seq', 'transfer.seq')
    .leftJoin('ledger_accounts as account', (join) =>
      join.on('account.account_id', '=', accountId).on('account.kind', '=', 'available'),
    )
    .select(['transfer.from_account', 'transfer.to_account', 'transfer.amount', 'journal.result', 'account.balance'])
    .where('transfer.id', '=', id)
    .executeTakeFirst();
  if (!row) return undefined;
  const owner = kind === 'deposit' ? row.to_account : row.from_account;
  if (owner !== accountId || row.amount !== amount) throw reused();
  return Number(row.result?.available ?? row.balance ?? 0);
}

function reused(): Refusal {
  return new Refusal(
    'conflict',
    'GPUB_IDEMPOTENCY_KEY_REUSED',
    'another amount or account was booked under this name; give each movement a name of its own',
  );
}

/** Micro-dollars. @throws Refusal body.amount */
export function amountOf(given: MoneyInput): number {
  const amount = parseMoney(given);
  if (amount === undefined || amount === 0) {
    throw invalid('body.amount', given, 'US dollars above 0 with up to six decimal places');
  }
  return amount;
}

/** @throws Refusal body.account_id where there is no such account */
export async function requireAccount(db: Queryable, id: string): Promise<void> {
  const row = await db.selectFrom('accounts').select('id').where('id', '=', id).executeTakeFirst();
  if (!row) throw invalid('body.account_id', id, 'the id of an account');
}
