// What an order would do now: by the plan that it would be matched with, and nothing is changed.
import type { Preview } from './contract.ts';
import type { Market } from './market.ts';
import { describe } from './offering.ts';
import type { NewOrder } from './order.ts';
import { checkOrder } from './order-checks.ts';
import { allProducts, type Product } from './products.ts';

const nothing = { fills: [], filled: 0, resting: 0, cost: 0, escrow: 0 } as const;

/** See {@link Preview}; an order that would be refused says why. */
export function previewOf(market: Market, order: NewOrder, now: number): Preview {
  const refusal = checkOrder(market, order, now);
  if (refusal) return { refusal, ...nothing, status: 'rejected' };
  const product = market.products.find(order.product);
  if (order.interruptible || !product || product.name === allProducts) return resting(order);
  const { orders } = market;
  const isAsk = order.side === 'ask';
  const offer = isAsk ? market.nodes.find(order.nodeId ?? '')?.offers.get(product) : undefined;
  const place = { home: offer?.number ?? product.number, priority: market.priority + 1, at: now, standing: false };
  const slot = orders.add(order, place);
  if (offer) describe(market, offer, slot, order.quantity).apply();
  const room = offer ? makeRoom(market, product, offer.standing, order.quantity) : () => {};
  const filled = product.book.plan(slot);
  const preview = outcomeOf(market, product, order, slot, filled);
  room();
  orders.release(slot);
  return preview;
}

function resting(order: NewOrder): Preview {
  const escrow = order.side === 'bid' ? order.price * order.quantity * order.durationHours : 0;
  return { ...nothing, status: 'pending', resting: order.quantity, escrow };
}

/** The standing ask of the node shrinks for an ask, and grows again. @returns what undoes it */
function makeRoom(market: Market, product: Product, standing: number, quantity: number): () => void {
  const { columns } = market.orders;
  if (standing < 0 || !product.book.has(standing)) return () => {};
  const open = columns.open[standing] as number;
  resize(market, product, standing, Math.max(0, open - quantity));
  return () => resize(market, product, standing, open);
}

function resize({ orders }: Market, { book }: Product, slot: number, open: number): void {
  if (book.has(slot)) book.remove(slot);
  orders.columns.open[slot] = open;
  if (open > 0) book.insert(slot);
}

function outcomeOf(market: Market, product: Product, order: NewOrder, slot: number, planned: number): Preview {
  const { quantity, timeInForce, side, durationHours } = order;
  if (timeInForce === 'fok' && planned < quantity) return { ...nothing, status: 'rejected' };
  const { fills } = product.book;
  const own = Array.from({ length: fills.count }, (_, i) => i).filter(
    (i) => (side === 'bid' ? fills.bid[i] : fills.ask[i]) === slot,
  );
  const list = own.map((i) => ({
    price: fills.price[i] as number,
    quantity: fills.quantity[i] as number,
    nodeId: market.offerOf(fills.ask[i] as number).node.id,
  }));
  const left = quantity - planned;
  const rests = timeInForce === 'ioc' ? 0 : left;
  const isBid = side === 'bid';
  const cost = list.reduce((sum, fill) => sum + fill.price * fill.quantity * durationHours, 0);
  const unfilled = planned > 0 ? 'partial' : 'pending';
  return {
    fills: list,
    status: left === 0 ? 'filled' : timeInForce === 'ioc' ? 'cancelled' : unfilled,
    filled: planned,
    resting: rests,
    cost: isBid ? cost : 0,
    escrow: isBid ? order.price * rests * durationHours : 0,
  };
}
