// How an order comes into the market and leaves it again.
import type { Market } from './market.ts';
import type { OrderEnd } from './open-orders.ts';
import type { NewOrder } from './order.ts';
import type { Product } from './products.ts';

/** Everything that knows of an open order, besides the book, learns of a new one. */
export function enter(market: Market, slot: number): void {
  const { orders } = market;
  const product = market.productOf(slot);
  const isBid = orders.isBid(slot);
  if (Number.isFinite(orders.expiryOf(slot))) market.expiries.add(slot);
  if (orders.isInterruptible(slot)) (isBid ? product.interruptibleBids : product.interruptibleAsks).add(slot);
  if (orders.isStanding(slot)) market.offerOf(slot).standing = slot;
  else {
    if (!isBid) market.offerOf(slot).manual.push(slot);
    countOrder(market, slot, 1);
  }
}

/** Adds an order that somebody placed; nothing is matched yet. @returns its slot */
export function addOrder(market: Market, order: NewOrder, product: Product, at: number): number {
  const { orders } = market;
  const home =
    order.side === 'bid' ? product.number : market.nodes.offerOf(market.nodes.of(order.nodeId ?? ''), product).number;
  const slot = orders.add(order, { home, priority: market.nextPriority(), at, standing: false });
  enter(market, slot);
  market.tellCreated(slot);
  market.move(slot, orders.escrowOf(slot));
  return slot;
}

/** Ends an order, whose money is let go, and takes it from everywhere. */
export function endOrder(market: Market, slot: number, how: OrderEnd, reason: string, at: number): void {
  const { orders } = market;
  const product = market.productOf(slot);
  if (product.book.has(slot)) product.book.remove(slot);
  if (orders.isBid(slot)) market.move(slot, -orders.escrowOf(slot));
  orders.end(slot, how, reason);
  market.incoming.delete(slot);
  market.expiries.remove(slot);
  product.interruptibleBids.delete(slot);
  product.interruptibleAsks.delete(slot);
  if (!orders.isBid(slot)) leaveOffer(market, slot);
  if (!orders.isStanding(slot)) countOrder(market, slot, -1);
  market.tellChanged(slot, how, at);
  market.leave(slot);
}

function leaveOffer(market: Market, slot: number): void {
  const offer = market.offerOf(slot);
  if (offer.standing === slot) offer.standing = -1;
  else offer.manual.splice(offer.manual.indexOf(slot), 1);
  market.changedOffers.add(offer);
}

function countOrder({ orders, openOrders }: Market, slot: number, change: number): void {
  const account = orders.columns.account[slot] as number;
  const count = (openOrders.get(account) ?? 0) + change;
  if (count === 0) openOrders.delete(account);
  else openOrders.set(account, count);
}
