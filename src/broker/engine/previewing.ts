// What an order would do now: by the plan that it would be matched with, and nothing is changed.
import type { Preview } from './contract.ts';
import type { Market } from './market.ts';
import { describe } from './offering.ts';
import type { NewOrder } from './order.ts';
import { checkOrder, unsoldGpus } from './order-checks.ts';
import type { Product } from './products.ts';

type Fills = Preview['fills'];
const nothing = { fills: [], filled: 0, resting: 0, cost: 0, escrow: 0 } as const;

/** See {@link Preview}; an order that would be refused says why. */
export function previewOf(market: Market, order: NewOrder, now: number): Preview {
  const refusal = checkOrder(market, order, now);
  if (refusal) return { refusal, ...nothing, status: 'rejected' };
  const product = market.products.find(order.product);
  return outcomeOf(order, order.interruptible || !product ? [] : plan(market, product, order, now));
}

/** What the book would trade of it; its slot is there for that long only. */
function plan(market: Market, product: Product, order: NewOrder, now: number): Fills {
  const { orders } = market;
  const { book } = product;
  const offer = order.side === 'ask' ? market.nodes.find(order.nodeId ?? '')?.offers.get(product) : undefined;
  const place = { home: offer?.number ?? product.number, priority: market.priority + 1, at: now, standing: false };
  const slot = orders.add(order, place);
  if (offer) describe(market, offer, slot, order.quantity).apply();
  const standing = offer && offer.standing >= 0 && book.has(offer.standing) ? offer.standing : undefined;
  const open = standing === undefined ? 0 : orders.openOf(standing);
  // The standing ask makes room first, as it does for a real one.
  if (offer && standing !== undefined)
    resize(market, product, standing, Math.min(open, unsoldGpus(market, offer, undefined) - order.quantity));
  book.plan(slot);
  const fills = readFills(market, product, slot);
  if (standing !== undefined) resize(market, product, standing, open);
  orders.release(slot);
  return fills;
}

/** Its place in time stays. */
function resize({ orders }: Market, { book }: Product, slot: number, open: number): void {
  if (book.has(slot)) book.remove(slot);
  orders.columns.open[slot] = open;
  if (open > 0) book.insert(slot);
}

function readFills(market: Market, { book: { fills } }: Product, slot: number): Fills {
  const own: { price: number; quantity: number; nodeId: string }[] = [];
  for (let i = 0; i < fills.count; i++) {
    const ask = fills.ask[i] as number;
    if (fills.bid[i] !== slot && ask !== slot) continue;
    const { node } = market.offerOf(ask);
    own.push({ price: fills.price[i] as number, quantity: fills.quantity[i] as number, nodeId: node.id });
  }
  return own;
}

function outcomeOf({ side, quantity, price, durationHours, timeInForce }: NewOrder, fills: Fills): Preview {
  const filled = fills.reduce((sum, fill) => sum + fill.quantity, 0);
  const left = quantity - filled;
  if (left > 0 && timeInForce === 'fok') return { ...nothing, status: 'rejected' };
  const resting = timeInForce === 'ioc' ? 0 : left;
  const isBid = side === 'bid';
  return {
    fills,
    status: statusOf(filled, left, resting),
    filled,
    resting,
    cost: isBid ? fills.reduce((sum, fill) => sum + fill.price * fill.quantity * durationHours, 0) : 0,
    escrow: isBid ? price * resting * durationHours : 0,
  };
}

function statusOf(filled: number, left: number, resting: number): Preview['status'] {
  if (left === 0) return 'filled';
  if (resting === 0) return 'cancelled';
  return filled > 0 ? 'partial' : 'pending';
}
