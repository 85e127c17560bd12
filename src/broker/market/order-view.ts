// Orders and trades from the tables and from the engine, as their parties see them.
import type { Selectable } from 'kysely';
import { formatMoney } from '../../api/money.ts';
import type { Order, Trade as TradeView } from '../../api/orders.ts';
import type { Label, OrderImage, Trade } from '../engine/order.ts';
import type { Schema } from '../storage/schema.ts';

/** An order as the API shows it. */
export function orderView(order: OrderImage): Order {
  const { id, side, quantity, filled, open, durationHours, expiresAt, nodeId } = order;
  return {
    id,
    order_id: id,
    account_id: order.accountId,
    user_id: order.userId,
    type: side,
    gpu_type: order.product,
    quantity,
    filled_quantity: filled,
    open_quantity: open,
    price: formatMoney(order.price),
    duration_hours: durationHours,
    time_in_force: order.timeInForce,
    expires_at: timeOf(expiresAt),
    all_or_none: order.allOrNone,
    min_quantity: order.minQuantity,
    placement: order.placement,
    node_id: nodeId,
    region: order.region,
    min_score: order.minScore,
    min_label: order.minLabel,
    interruptible: order.interruptible,
    standing: order.standing,
    client_order_id: order.clientOrderId,
    status: order.status,
    reason: order.reason,
    escrow: formatMoney(order.escrow),
    created_at: new Date(order.createdAt).toISOString(),
    updated_at: new Date(order.at).toISOString(),
  };
}

/** A row of `orders`, as the engine has it. */
export function orderOfRow(row: Selectable<Schema['orders']>): OrderImage {
  return {
    id: row.id,
    accountId: row.account_id,
    userId: row.user_id,
    clientOrderId: row.client_order_id,
    side: row.side,
    product: row.product,
    quantity: row.quantity,
    price: row.price,
    durationHours: row.duration_hours,
    timeInForce: row.time_in_force,
    expiresAt: row.expires_at?.getTime() ?? null,
    allOrNone: row.all_or_none,
    minQuantity: row.min_quantity,
    placement: row.placement,
    region: row.region,
    minScore: row.min_score,
    minLabel: row.min_label as Label | null,
    nodeId: row.node_id,
    interruptible: row.interruptible,
    standing: row.standing,
    status: row.status,
    reason: row.reason,
    open: row.open,
    filled: row.filled,
    escrow: row.escrow,
    priority: row.priority,
    createdAt: row.created_at.getTime(),
    at: row.updated_at.getTime(),
  };
}

/** A row of `trades` with the GPUs that it holds, as the engine has it. */
export function tradeOfRow(row: Selectable<Schema['trades']> & { readonly gpu_ids: readonly string[] }): Trade {
  return {
    id: row.id,
    number: row.number,
    product: row.product,
    bidOrderId: row.bid_order_id,
    askOrderId: row.ask_order_id,
    buyerAccountId: row.buyer_account_id,
    sellerAccountId: row.seller_account_id,
    nodeId: row.node_id,
    clusterId: row.cluster_id,
    gpuIds: row.gpu_ids,
    quantity: row.quantity,
    price: row.price,
    bidPrice: row.bid_price,
    durationHours: row.duration_hours,
    executedAt: row.executed_at.getTime(),
    endsAt: row.ends_at.getTime(),
    interruptible: row.interruptible,
    auctionId: row.auction_id,
    escrow: row.escrow,
    settledSeconds: row.settled_seconds,
    captured: row.captured,
    endedAt: row.ended_at?.getTime() ?? null,
    endReason: row.end_reason,
    reclaimAt: row.reclaim_at?.getTime() ?? null,
  };
}

/**
 * A trade as one of its parties sees it: never the other's order.
 * @param accountId who looks; undefined for an admin, who sees both sides
 */
export function tradeView(trade: Trade, accountId: string | undefined): TradeView {
  const buys = trade.buyerAccountId === accountId;
  const sells = trade.sellerAccountId === accountId;
  const all = accountId === undefined;
  return {
    id: trade.id,
    number: trade.number,
    type: buys ? 'bid' : sells ? 'ask' : null,
    gpu_type: trade.product,
    bid_order_id: buys || all ? trade.bidOrderId : null,
    ask_order_id: sells || all ? trade.askOrderId : null,
    node_id: trade.nodeId,
    cluster_id: trade.clusterId,
    gpu_ids: [...trade.gpuIds],
    quantity: trade.quantity,
    price: formatMoney(trade.price),
    duration_hours: trade.durationHours,
    cost: formatMoney(trade.price * trade.quantity * trade.durationHours),
    paid: formatMoney(trade.captured),
    escrow: formatMoney(trade.escrow),
    settled_seconds: trade.settledSeconds,
    interruptible: trade.interruptible,
    auction_id: trade.auctionId,
    status: trade.endedAt === null ? 'held' : 'ended',
    executed_at: new Date(trade.executedAt).toISOString(),
    ends_at: new Date(trade.endsAt).toISOString(),
    reclaim_at: timeOf(trade.reclaimAt),
    ended_at: timeOf(trade.endedAt),
    end_reason: trade.endReason,
  };
}

function timeOf(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString();
}
