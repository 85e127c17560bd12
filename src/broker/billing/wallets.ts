// Reading wallets: what an account may spend, what is held back, and every movement of its money.
import { type Selectable, sql } from 'kysely';
import { Type } from 'typebox';
import { pageLimits } from '../../api/lists.ts';
import { formatMoney } from '../../api/money.ts';
import type { Wallet, WalletTransfer, WalletTransferPage, WalletTransferQuery } from '../../api/wallets.ts';
import { visibleAccount } from '../identity/policy.ts';
import type { Principal } from '../identity/principal.ts';
import { cursorReader, pageOf } from '../paging.ts';
import { notFound } from '../refusal.ts';
import type { Database } from '../storage/database.ts';
import type { Schema } from '../storage/schema.ts';

type TransferRow = Selectable<Schema['ledger_transfers']>;

/** The wallet of an account; one's own unless an admin names another. @throws Refusal not-found */
export async function readWallet(db: Database, by: Principal, accountId: string | undefined): Promise<Wallet> {
  const account = await accountOf(db, by, accountId);
  const rows = await db
    .selectFrom('ledger_accounts')
    .select(['kind', 'balance'])
    .where('account_id', '=', account)
    .execute();
  const balance = (wanted: string) => rows.find(({ kind }) => kind === wanted)?.balance ?? 0;
  const [available, escrow] = [balance('available'), balance('escrow')];
  return {
    account_id: account,
    currency: 'USD',
    available: formatMoney(available),
    escrow: formatMoney(escrow),
    total: formatMoney(available + escrow),
  };
}

/** Whose wallet is meant. @throws Refusal not-found for one that the caller may not see */
async function accountOf(db: Database, by: Principal, given: string | undefined): Promise<string> {
  const id = given?.toLowerCase() ?? by.accountId;
  if (id === by.accountId) return id;
  if (visibleAccount(by) !== undefined) throw notFound('account', id);
  const row = await db.selectFrom('accounts').select('id').where('id', '=', id).executeTakeFirst();
  if (!row) throw notFound('account', id);
  return id;
}

const place = Type.Tuple([
  Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
  Type.Integer({ minimum: 0, maximum: 2 ** 31 - 1 }),
]);
const readCursor = cursorReader(place);

/** Movements of an account, newest first. @throws Refusal not-found, query.cursor */
export async function listTransfers(
  db: Database,
  by: Principal,
  query: WalletTransferQuery,
): Promise<WalletTransferPage> {
  const account = await accountOf(db, by, query.account_id);
  const size = query.limit ?? pageLimits.default;
  // Each half reads an index from its end; a transfer within the account is in the first alone.
  const outgoing = transfersOf(db, query, size + 1).where('from_account', '=', account);
  const incoming = transfersOf(db, query, size + 1)
    .where('to_account', '=', account)
    .whereRef('from_account', '<>', 'to_account');
  const rows = [...(await outgoing.execute()), ...(await incoming.execute())];
  rows.sort((a, b) => b.seq - a.seq || b.position - a.position);
  return pageOf(
    rows.slice(0, size + 1),
    size,
    ({ seq, position }) => [seq, position],
    (row) => transferView(row, account),
  );
}

function transfersOf(db: Database, { cursor, reason, from, to }: WalletTransferQuery, limit: number) {
  let rows = db.selectFrom('ledger_transfers').selectAll();
  const before = readCursor(cursor);
  if (before) rows = rows.where(sql<boolean>`(seq, position) < (${before[0]}, ${before[1]})`);
  if (reason !== undefined) rows = rows.where('reason', '=', reason);
  if (from !== undefined) rows = rows.where('at', '>=', new Date(from));
  if (to !== undefined) rows = rows.where('at', '<', new Date(to));
  return rows.orderBy('seq', 'desc').orderBy('position', 'desc').limit(limit);
}

function transferView(row: TransferRow, account: string): WalletTransfer {
  const change = (kind: string) =>
    (row.to_account === account && row.to_kind === kind ? row.amount : 0) -
    (row.from_account === account && row.from_kind === kind ? row.amount : 0);
  const own = row.reason === 'deposit' || row.reason === 'withdrawal';
  return {
    seq: row.seq,
    position: row.position,
    at: row.at.toISOString(),
    reason: row.reason as WalletTransfer['reason'],
    available_change: formatMoney(change('available')),
    escrow_change: formatMoney(change('escrow')),
    order_id: row.order_id,
    trade_id: row.trade_id,
    id: own ? row.id : null,
    reference: row.reference,
  };
}
