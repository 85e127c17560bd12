// What others are told of the market, by topic: the bodies of market_events. The id and the time of an event are the
// row's own columns; money is in micro-dollars.
import type { Command } from '../engine/commands.ts';
import type { EngineEvent } from '../engine/events.ts';
import type { OrderImage, OrderProgress, Trade } from '../engine/order.ts';
import type { Actor } from './contract.ts';

export type Topic =
  | 'orders.created'
  | 'orders.matched'
  | 'orders.cancelled'
  | 'pricing.updates'
  | 'billing.usage'
  | 'audit.log';

export interface Told {
  readonly topic: Topic;
  readonly accountId: string | null;
  readonly data: Record<string, unknown>;
}

/** What an event tells others; undefined for one that is nobody else's business. */
export function toldOf(event: EngineEvent): Told | undefined {
  switch (event.type) {
    case 'order-created':
      return { topic: 'orders.created', accountId: event.order.accountId, data: { order: created(event.order) } };
    case 'order-changed':
      return changed(event.cause, event.progress);
    case 'trade':
      return { topic: 'orders.matched', accountId: null, data: { trade: matched(event.trade) } };
    case 'trade-changed':
      if (event.cause === 'notice') return undefined;
      return { topic: 'billing.usage', accountId: event.trade.buyerAccountId, data: { usage: used(event.trade) } };
    case 'pricing':
      return { topic: 'pricing.updates', accountId: null, data: { node_pricing: event.pricing } };
    case 'pricing-removed':
      return { topic: 'pricing.updates', accountId: null, data: { node_pricing_removed: event.nodeId } };
    case 'index':
      return { topic: 'pricing.updates', accountId: null, data: { index: event.window } };
    case 'auction':
      return { topic: 'pricing.updates', accountId: null, data: { auction: event.auction } };
    default:
      return undefined;
  }
}

/** Commands that are watched: who gave them, and what. */
const audited: ReadonlySet<Command['kind']> = new Set([
  'set-rules',
  'halt',
  'resume',
  'kill',
  'revive',
  'match',
  'deposit',
  'withdraw',
  'end-hold',
]);

/** What a command itself tells, whoever gave it; undefined for an everyday one. */
export function auditOf(command: Command, actor: Actor | null): Told | undefined {
  if (!audited.has(command.kind)) return undefined;
  const who = actor && { account_id: actor.accountId, user_id: actor.userId };
  return { topic: 'audit.log', accountId: actor?.accountId ?? null, data: { actor: who, command } };
}

function created(order: OrderImage): Record<string, unknown> {
  return {
    id: order.id,
    account_id: order.accountId,
    user_id: order.userId,
    type: order.side,
    gpu_type: order.product,
    quantity: order.quantity,
    price: order.price,
    duration_hours: order.durationHours,
    interruptible: order.interruptible,
    standing: order.standing,
  };
}

function changed(cause: string, progress: OrderProgress): Told | undefined {
  const { id, status, filled, open, quantity, price, reason } = progress;
  if (cause === 'priced') return { topic: 'pricing.updates', accountId: null, data: { order: { id, price, open } } };
  if (cause !== 'cancelled' && cause !== 'expired' && cause !== 'rejected') return undefined;
  return { topic: 'orders.cancelled', accountId: null, data: { order: { id, status, quantity, filled, reason } } };
}

function matched(trade: Trade): Record<string, unknown> {
  return {
    id: trade.id,
    number: trade.number,
    bid_order_id: trade.bidOrderId,
    ask_order_id: trade.askOrderId,
    buyer_account_id: trade.buyerAccountId,
    seller_account_id: trade.sellerAccountId,
    node_id: trade.nodeId,
    gpu_type: trade.product,
    quantity: trade.quantity,
    price: trade.price,
    duration_hours: trade.durationHours,
  };
}

/** In all so far, not since the last one: whoever misses one loses nothing. */
function used(trade: Trade): Record<string, unknown> {
  return {
    trade_id: trade.id,
    buyer_account_id: trade.buyerAccountId,
    seller_account_id: trade.sellerAccountId,
    node_id: trade.nodeId,
    gpu_type: trade.product,
    quantity: trade.quantity,
    price: trade.price,
    settled_seconds: trade.settledSeconds,
    amount: trade.captured,
    ended_at: trade.endedAt === null ? null : new Date(trade.endedAt).toISOString(),
    end_reason: trade.endReason,
  };
}
