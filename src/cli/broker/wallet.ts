// `gpubroker wallet`: what an account may spend, and every movement of it.
import { randomUUID } from 'node:crypto';
import type { WalletTransfer, WalletTransferQuery } from '../../api/wallets.ts';
import type { Client } from '../../client/client.ts';
import { wrongUsage } from '../errors.ts';
import { given } from './command.ts';
import { type Columns, collect, pageFor, showDone, showList, showOne } from './show.ts';
import { findAccount } from './users.ts';

const columns: Columns<WalletTransfer> = {
  AT: ({ at }) => at,
  REASON: ({ reason }) => reason,
  AVAILABLE: ({ available_change }) => signed(available_change),
  ESCROW: ({ escrow_change }) => signed(escrow_change),
  FOR: ({ order_id, trade_id, id }) => (trade_id ? `trade ${trade_id}` : order_id ? `order ${order_id}` : id),
  REFERENCE: ({ reference }) => reference,
};

/** Money in or out. */
interface Movement {
  /** US dollars. */
  readonly amount: string;
  readonly reference: string | undefined;
  /** Id or name; one's own if left out. */
  readonly account: string | undefined;
}

export async function showWallet(client: Client, json: boolean, account: string | undefined): Promise<void> {
  const query = given<{ account_id?: string }>({ account_id: await idOf(client, account) });
  showOne(await client.call('GET /wallet', { query }), json);
}

export async function listTransfers(
  client: Client,
  json: boolean,
  { query, account }: { query: WalletTransferQuery; account: string | undefined },
  limit: number,
): Promise<void> {
  const of = given<WalletTransferQuery>({ ...query, account_id: await idOf(client, account), ...pageFor(limit) });
  const items = await collect(client.all('GET /wallet/transfers', { query: of }), limit);
  showList(items, { json, columns, nothing: 'Nothing was moved.' });
}

/** With its key it is booked once, also where the first answer is lost. */
export async function deposit(
  client: Client,
  json: boolean,
  { amount, reference, account }: Movement,
  key: string = randomUUID(),
): Promise<void> {
  const body = given<{ amount: string; reference?: string; account_id?: string }>({
    amount,
    reference,
    account_id: await idOf(client, account),
  });
  const moved = await client.call('POST /wallet/deposits', { body, key });
  showDone(moved, `Deposited ${moved.amount}; ${moved.available} is available.`, json);
}

/** With its key it is booked once, also where the first answer is lost. */
export async function withdraw(
  client: Client,
  json: boolean,
  { amount, reference }: Movement,
  key: string = randomUUID(),
): Promise<void> {
  const body = given<{ amount: string; reference?: string }>({ amount, reference });
  const moved = await client.call('POST /wallet/withdrawals', { body, key });
  showDone(moved, `Withdrew ${moved.amount}; ${moved.available} is available.`, json);
}

/** Of an account by its id or its name. @throws CodedError where there is none of that name */
async function idOf(client: Client, account: string | undefined): Promise<string | undefined> {
  if (account === undefined) return undefined;
  const found = await findAccount(client, account);
  if (!found) throw wrongUsage(`no account is named ${account}`);
  return found.id;
}

/** `+1.50` and `-1.50`; nothing for none. */
function signed(change: string): string {
  if (/^-?0\.0+$/.test(change)) return '';
  return change.startsWith('-') ? change : `+${change}`;
}
