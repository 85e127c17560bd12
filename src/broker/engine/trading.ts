// Matches an order against its book, and makes trades of what is matched.
import type { Market } from './market.ts';
import { takeGpus } from './nodes.ts';
import type { Trade } from './order.ts';
import { endOrder } from './order-life.ts';

const hour = 3_600_000;

/** So many GPUs of an ask for a bid. */
export interface Match {
  readonly bid: number;
  readonly ask: number;
  readonly quantity: number;
  /** Micro-dollars per GPU-hour. */
  readonly price: number;
  /** Null for the continuous book. */
  readonly auctionId: string | null;
}

/** Matches an order that is in no book as if it came in now, and rests what is left. */
export function matchIncoming(market: Market, slot: number, at: number): void {
  const { orders, products } = market;
  const product = market.productOf(slot);
  const { book } = product;
  if (products.haltOf(product) === null) {
    const filled = book.plan(slot);
    if (orders.timeInForceOf(slot) === 'fok' && filled < orders.openOf(slot)) {
      endOrder(market, slot, 'rejected', 'fill-or-kill', at);
      return;
    }
    if (book.fills.count > 0) doPlan(market, slot, at);
  }
  if (orders.isOver(slot) || orders.openOf(slot) === 0) return;
  if (orders.timeInForceOf(slot) === 'ioc') endOrder(market, slot, 'cancelled', 'immediate-or-cancel', at);
  else book.insert(slot);
}

function doPlan(market: Market, taker: number, at: number): void {
  const { book } = market.productOf(taker);
  const { fills } = book;
  const filled = new Set<number>();
  for (let i = 0; i < fills.count; i++) {
    const bid = fills.bid[i] as number;
    const ask = fills.ask[i] as number;
    const match = { bid, ask, quantity: fills.quantity[i] as number, price: fills.price[i] as number, auctionId: null };
    makeTrade(market, match, at);
    filled.add(bid).add(ask);
  }
  book.execute();
  for (const slot of filled) tellFilled(market, slot, at);
}

/** An order whose open GPUs have fallen by what it traded. */
export function tellFilled(market: Market, slot: number, at: number): void {
  const { orders } = market;
  if (orders.openOf(slot) === 0 && !orders.isStanding(slot)) endOrder(market, slot, 'filled', '', at);
  else market.tellChanged(slot, 'filled', at);
}

/** Makes the trade: its money, its GPUs; what is open of the two orders falls elsewhere. */
export function makeTrade(market: Market, { bid, ask, quantity, price, auctionId }: Match, at: number): void {
  const { orders } = market;
  const offer = market.offerOf(ask);
  const bidPrice = orders.priceOf(bid);
  const hours = orders.hoursOf(bid);
  const trade: Trade = {
    id: market.nextId(at),
    number: ++market.trades,
    product: offer.product.name,
    bidOrderId: orders.idOf(bid),
    askOrderId: orders.idOf(ask),
    buyerAccountId: orders.accountOf(bid),
    sellerAccountId: orders.accountOf(ask),
    nodeId: offer.node.id,
    clusterId: offer.node.supply?.clusterId ?? '',
    gpuIds: takeGpus(offer, quantity),
    quantity,
    price,
    bidPrice,
    durationHours: hours,
    executedAt: at,
    endsAt: at + hours * hour,
    interruptible: auctionId !== null,
    auctionId,
    escrow: price * quantity * hours,
    settledSeconds: 0,
    captured: 0,
    endedAt: null,
    endReason: '',
    reclaimAt: null,
  };
  orders.addFilled(bid, quantity);
  orders.addFilled(ask, quantity);
  market.move(bid, -(bidPrice - price) * quantity * hours);
  market.holds.add(trade);
  market.made.push(trade);
  market.events.push({ type: 'trade', trade });
  market.changedOffers.add(offer);
  if (offer.product.lastPrice !== price) {
    offer.product.lastPrice = price;
    market.tellProduct(offer.product);
  }
}
