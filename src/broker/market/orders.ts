// Orders: placed, changed, cancelled through the pipeline; read from the tables, which it has written before it answers.
import { type SelectQueryBuilder, sql } from 'kysely';
import { formatMoney } from '../../api/money.ts';
import type {
  NewOrder as NewOrderBody,
  Order,
  OrderChange,
  OrderPage,
  OrderPreview,
  OrderQuery,
} from '../../api/orders.ts';
import type { IdempotencyKey, Pipeline } from '../commit/contract.ts';
import type { Command } from '../engine/commands.ts';
import type { Preview } from '../engine/contract.ts';
import type { OrderImage } from '../engine/order.ts';
import { requireOwner, visibleAccount } from '../identity/policy.ts';
import type { Principal } from '../identity/principal.ts';
import { pageOf } from '../paging.ts';
import { notFound, Refusal } from '../refusal.ts';
import { readIdCursor } from '../registry/providers.ts';
import type { Database } from '../storage/database.ts';
import type { Schema } from '../storage/schema.ts';
import { newOrderFrom, type OrderContext } from './new-order.ts';
import { orderOfRow, orderView } from './order-view.ts';
import { priceFrom } from './price-input.ts';

/** What the functions of the market work with. */
export interface MarketContext extends OrderContext {
  readonly db: Database;
  readonly now: () => Date;
  readonly pipeline: Pipeline;
}

/** How far a list of orders is counted. */
const countedUpTo = 10_000;

/**
 * Places an order; resolves when it is durable, with what it has traded at once. Asks the database nothing.
 * @throws Refusal of the engine or the pipeline; `GPUB_INVALID`, `GPUB_UNKNOWN_PRODUCT`
 */
export async function placeOrder(
  context: MarketContext,
  principal: Principal,
  body: NewOrderBody,
  key: IdempotencyKey | undefined,
): Promise<Order> {
  const order = await newOrderFrom(context, principal, body, context.now().getTime());
  return submitted(context, principal, { kind: 'place', order }, key);
}

/** @throws Refusal as {@link placeOrder}; not-found; `GPUB_ORDER_OVER` */
export async function amendOrder(
  context: MarketContext,
  principal: Principal,
  id: string,
  { quantity, price }: OrderChange,
  key: IdempotencyKey | undefined,
): Promise<Order> {
  const command: Command = {
    kind: 'amend',
    orderId: id.toLowerCase(),
    accountId: visibleAccount(principal) ?? null,
    quantity: quantity ?? null,
    price: price === undefined ? null : priceFrom('body.price', price),
  };
  return changed(context, principal, command, key);
}

/** @throws Refusal of the engine or the pipeline; not-found; `GPUB_ORDER_OVER` */
export async function cancelOrder(
  context: MarketContext,
  principal: Principal,
  id: string,
  key: IdempotencyKey | undefined,
): Promise<Order> {
  const command: Command = {
    kind: 'cancel',
    orderId: id.toLowerCase(),
    accountId: visibleAccount(principal) ?? null,
    reason: 'requested',
  };
  return changed(context, principal, command, key);
}

/** The market forgets an order that is over; its owner is told so, and not that it never was. */
async function changed(
  context: MarketContext,
  principal: Principal,
  command: Command & { readonly orderId: string },
  key: IdempotencyKey | undefined,
): Promise<Order> {
  try {
    return await submitted(context, principal, command, key);
  } catch (error) {
    if (!(error instanceof Refusal && error.kind === 'not-found')) throw error;
    const { id, status } = await findOrder(context.db, principal, command.orderId);
    throw new Refusal('conflict', 'GPUB_ORDER_OVER', `the order ${id} is over: it is ${status}`);
  }
}

async function submitted(
  { pipeline }: MarketContext,
  { accountId, userId }: Principal,
  command: Command,
  key: IdempotencyKey | undefined,
): Promise<Order> {
  const { order } = await pipeline.submit({ command, actor: { accountId, userId }, key });
  if (!order) throw new Error(`the market answered ${command.kind} without an order`);
  return orderView(order);
}

/** @throws Refusal not-found */
export async function getOrder({ db }: MarketContext, principal: Principal, id: string): Promise<Order> {
  return orderView(await findOrder(db, principal, id));
}

/** One that the caller may see. @throws Refusal not-found */
export async function findOrder(db: Database, principal: Principal, id: string): Promise<OrderImage> {
  const row = await db.selectFrom('orders').selectAll().where('id', '=', id).executeTakeFirst();
  requireOwner(principal, row?.account_id, 'order', id);
  if (!row) throw notFound('order', id);
  return orderOfRow(row);
}

/** Newest first. @throws Refusal `GPUB_INVALID`, `GPUB_UNKNOWN_PRODUCT` */
export async function listOrders(
  { db, names }: MarketContext,
  principal: Principal,
  query: OrderQuery,
): Promise<OrderPage> {
  const { limit = 50, cursor, account_id } = query;
  const place = readIdCursor(cursor)?.[0];
  const account = visibleAccount(principal) ?? account_id?.toLowerCase();
  // Another account than one's own has no orders to see.
  if (account_id !== undefined && account_id.toLowerCase() !== account)
    return { items: [], next_cursor: null, total: 0 };
  const product = query.gpu_type === undefined ? undefined : await names.resolve(query.gpu_type, 'query.gpu_type');
  const matching = filtered(db.selectFrom('orders'), query, account, product);
  const counted = db
    .selectFrom(matching.select(sql<number>`1`.as('one')).limit(countedUpTo).as('some'))
    .select((eb) => eb.fn.countAll<number>().as('total'));
  let page = matching.selectAll().orderBy('id', 'desc');
  if (place !== undefined) page = page.where('id', '<', place);
  const [rows, { total }] = await Promise.all([page.limit(limit + 1).execute(), counted.executeTakeFirstOrThrow()]);
  return {
    ...pageOf(
      rows,
      limit,
      ({ id }) => [id],
      (row) => orderView(orderOfRow(row)),
    ),
    total,
  };
}

type Orders = SelectQueryBuilder<Schema, 'orders', object>;

function filtered(
  orders: Orders,
  { status, type, node_id, client_order_id }: OrderQuery,
  account: string | undefined,
  product: string | undefined,
): Orders {
  let found = orders;
  if (account !== undefined) found = found.where('account_id', '=', account);
  // As the index of open orders has it.
  if (status === 'active') found = found.where('status', 'in', ['pending', 'partial']);
  else if (status !== undefined) found = found.where('status', '=', status);
  if (product !== undefined) found = found.where('product', '=', product);
  if (type !== undefined) found = found.where('side', '=', type);
  if (node_id !== undefined) found = found.where('node_id', '=', node_id);
  if (client_order_id !== undefined) found = found.where('client_order_id', '=', client_order_id);
  return found;
}

/** What the order would do at this moment. @throws Refusal `GPUB_INVALID`, `GPUB_UNKNOWN_PRODUCT` */
export async function previewOrder(
  context: MarketContext,
  principal: Principal,
  body: NewOrderBody,
): Promise<OrderPreview> {
  const now = context.now().getTime();
  const order = await newOrderFrom(context, principal, body, now);
  return previewView(await context.pipeline.read((engine) => engine.preview(order, Math.max(now, engine.now))));
}

function previewView({ refusal, fills, status, filled, resting, cost, escrow }: Preview): OrderPreview {
  const paid = fills.reduce((sum, { price, quantity }) => sum + price * quantity, 0);
  return {
    accepted: refusal === undefined,
    problem: refusal
      ? {
          code: refusal.code,
          detail: refusal.message,
          ...(refusal.field !== undefined && { field: refusal.field }),
          ...(refusal.allowed !== undefined && { allowed: refusal.allowed }),
        }
      : null,
    status,
    filled_quantity: filled,
    resting_quantity: resting,
    fills: fills.map(({ price, quantity }) => ({ price: formatMoney(price), quantity })),
    average_price: filled > 0 ? formatMoney(Math.floor(paid / filled)) : null,
    cost: formatMoney(cost),
    escrow: formatMoney(escrow),
  };
}
