// Trades as their parties see them; and what an admin does to one until leases do it.
import { sql } from 'kysely';
import type { PageQuery } from '../../api/lists.ts';
import type { OrderTrades, TradeGpus, TradePage, TradeQuery, Trade as TradeView } from '../../api/orders.ts';
import type { IdempotencyKey } from '../commit/contract.ts';
import type { Trade } from '../engine/order.ts';
import { visibleAccount } from '../identity/policy.ts';
import type { Principal } from '../identity/principal.ts';
import { pageOf } from '../paging.ts';
import { notFound, Refusal } from '../refusal.ts';
import { readIdCursor } from '../registry/providers.ts';
import type { Database } from '../storage/database.ts';
import { type Act, actAsAdmin } from './admin.ts';
import { tradeOfRow, tradeView } from './order-view.ts';
import { findOrder, type MarketContext } from './orders.ts';

/** Trades with the GPUs that they hold or held, in the order in which they were named. */
function tradesWithGpus(db: Database) {
  return db
    .selectFrom('trades')
    .selectAll('trades')
    .select(sql<string[]>`array(select gpu_id from holds where trade_id = trades.id order by position)`.as('gpu_ids'));
}

/** The trades of an order, newest first. @throws Refusal not-found */
export async function listOrderTrades(
  { db }: MarketContext,
  principal: Principal,
  orderId: string,
  { limit = 50, cursor }: PageQuery,
): Promise<OrderTrades> {
  const place = readIdCursor(cursor)?.[0];
  const { id, side, accountId } = await findOrder(db, principal, orderId);
  let trades = tradesWithGpus(db).where(side === 'bid' ? 'bid_order_id' : 'ask_order_id', '=', id);
  if (place !== undefined) trades = trades.where('id', '<', place);
  const rows = await trades
    .orderBy('id', 'desc')
    .limit(limit + 1)
    .execute();
  // An admin asks about one order, and sees its side.
  const page = pageOf(
    rows,
    limit,
    (row) => [row.id],
    (row) => tradeView(tradeOfRow(row), accountId),
  );
  return { trades: page.items, next_cursor: page.next_cursor };
}

/** Newest first. @throws Refusal `GPUB_INVALID`, `GPUB_UNKNOWN_PRODUCT` */
export async function listTrades(
  { db, names }: MarketContext,
  principal: Principal,
  query: TradeQuery,
): Promise<TradePage> {
  const { limit = 50, cursor, type, status, gpu_type, account_id } = query;
  const place = readIdCursor(cursor)?.[0];
  const account = visibleAccount(principal) ?? account_id?.toLowerCase();
  // Another account than one's own has no trades to see.
  if (account_id !== undefined && account_id.toLowerCase() !== account) return { items: [], next_cursor: null };
  const product = gpu_type === undefined ? undefined : await names.resolve(gpu_type, 'query.gpu_type');
  const ofSide = (side: 'bid' | 'ask') => {
    let trades = tradesWithGpus(db);
    if (account !== undefined)
      trades = trades.where(side === 'bid' ? 'buyer_account_id' : 'seller_account_id', '=', account);
    if (place !== undefined) trades = trades.where('id', '<', place);
    if (product !== undefined) trades = trades.where('product', '=', product);
    if (status !== undefined) trades = trades.where('ended_at', status === 'held' ? 'is' : 'is not', null);
    return trades
      .orderBy('id', 'desc')
      .limit(limit + 1)
      .execute();
  };
  // Each side has an index of its own. Nobody is both sides of a trade, and without an account one side has all.
  const sides = type !== undefined ? [type] : account === undefined ? (['bid'] as const) : (['bid', 'ask'] as const);
  const found = (await Promise.all(sides.map(ofSide))).flat().sort((a, b) => (a.id < b.id ? 1 : -1));
  return pageOf(
    found,
    limit,
    ({ id }) => [id],
    (row) => tradeView(tradeOfRow(row), account),
  );
}

/** @throws Refusal not-found, also for who is no party */
export async function getTrade({ db }: MarketContext, principal: Principal, id: string): Promise<TradeView> {
  const account = visibleAccount(principal);
  return tradeView(await findTrade(db, account, id), account);
}

/** What is known of the GPUs that a trade holds, for its parties. @throws Refusal as {@link getTrade} */
export async function listTradeGpus({ db }: MarketContext, principal: Principal, id: string): Promise<TradeGpus> {
  const trade = await findTrade(db, visibleAccount(principal), id);
  const rows = await db
    .selectFrom('holds')
    .innerJoin('gpus', 'gpus.id', 'holds.gpu_id')
    .select(['gpus.id', 'gpus.model', 'gpus.label', 'gpus.score', 'gpus.measured_at', 'gpus.verified_at'])
    .where('holds.trade_id', '=', trade.id)
    .where('holds.ended_at', 'is', null)
    .orderBy('holds.position')
    .execute();
  const items = rows.map(({ id: gpu_id, model, label, score, measured_at, verified_at }) => {
    const times = { measured_at: measured_at?.toISOString() ?? null, verified_at: verified_at?.toISOString() ?? null };
    return { gpu_id, model, label, score, ...times };
  });
  return { items };
}

async function findTrade(db: Database, account: string | undefined, id: string): Promise<Trade> {
  const row = await tradesWithGpus(db).where('id', '=', id).executeTakeFirst();
  if (!row) throw notFound('trade', id);
  if (account !== undefined && ![row.buyer_account_id, row.seller_account_id].includes(account)) {
    throw notFound('trade', id);
  }
  return tradeOfRow(row);
}

/**
 * Pays for the first seconds of a trade, less what is paid already.
 * @throws Refusal of the engine or the pipeline; not-found; `GPUB_TRADE_ENDED`
 */
export async function settleTrade(
  context: MarketContext,
  principal: Principal,
  id: string,
  seconds: number,
  key: IdempotencyKey | undefined,
): Promise<TradeView> {
  const command = { kind: 'settle', tradeId: id.toLowerCase(), seconds } as const;
  return changeTrade(context, principal, { action: 'trade.settle', command, details: { seconds } }, key);
}

/** Gives the GPUs of a trade back, and what is not paid for to the buyer. @throws Refusal as {@link settleTrade} */
export async function endTrade(
  context: MarketContext,
  principal: Principal,
  id: string,
  reason: string,
  key: IdempotencyKey | undefined,
): Promise<TradeView> {
  const command = { kind: 'end-hold', tradeId: id.toLowerCase(), reason } as const;
  return changeTrade(context, principal, { action: 'trade.end', command, details: { reason } }, key);
}

async function changeTrade(
  context: MarketContext,
  principal: Principal,
  act: Act & { readonly command: { readonly tradeId: string } },
  key: IdempotencyKey | undefined,
): Promise<TradeView> {
  const { tradeId } = act.command;
  const { buyerAccountId } = await findTrade(context.db, undefined, tradeId);
  const target = { kind: 'trade', id: tradeId };
  await actAsAdmin(context, principal, { ...act, accountId: buyerAccountId, target }, key).catch((error: unknown) => {
    // The market forgets a trade that has ended.
    if (!(error instanceof Refusal && error.kind === 'not-found')) throw error;
    throw new Refusal('conflict', 'GPUB_TRADE_ENDED', `the trade ${tradeId} has ended`);
  });
  return tradeView(await findTrade(context.db, undefined, tradeId), undefined);
}
