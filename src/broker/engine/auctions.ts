// The spot auctions: clears one when it is due, and gives notice to the leases that are outbid by what is left.
import { type AuctionOrder, type Clearing, clear, outbid } from './auction.ts';
import type { Market } from './market.ts';
import type { Trade } from './order.ts';
import { askSide } from './orders.ts';
import type { Product } from './products.ts';
import { makeTrade, tellFilled } from './trading.ts';

interface Entrant extends AuctionOrder {
  readonly slot: number;
}

/** What would be traded if a product's auction were cleared now. */
export function clearingOf(market: Market, product: Product): Clearing<Entrant> {
  const { orders } = market;
  const entrant = (slot: number): Entrant => ({
    slot,
    price: orders.priceOf(slot),
    open: orders.openOf(slot),
    priority: orders.priorityOf(slot),
    accountId: orders.accountOf(slot),
  });
  const bids = Array.from(product.interruptibleBids, entrant);
  const asks = [...product.interruptibleAsks, ...product.book.slots(askSide)]
    .filter((slot) => orders.hoursOf(slot) >= product.rules.auctionHours)
    .map(entrant);
  return clear(bids, asks, product.lastPrice);
}

/** Trades what can be traded at one price, then outbids. */
export function clearAuction(market: Market, product: Product, at: number): void {
  product.clearedAt = at;
  const { price, volume, bidQuantity, askQuantity, imbalance, matches } = clearingOf(market, product);
  if (askQuantity > 0) {
    const id = market.nextId(at);
    if (price !== null) {
      for (const { bid, ask, quantity } of matches) {
        makeTrade(market, { bid: bid.slot, ask: ask.slot, quantity, price, auctionId: id }, at);
        fill(market, product, bid.slot, quantity, at);
        fill(market, product, ask.slot, quantity, at);
      }
    }
    const auction = {
      id,
      product: product.name,
      clearedAt: at,
      price,
      volume,
      bidQuantity,
      askQuantity,
      imbalance,
    };
    market.events.push({ type: 'auction', auction });
  }
  giveNotices(market, product, at);
}

/** An ask of the book may rest on with less; it keeps its place. */
function fill(market: Market, product: Product, slot: number, quantity: number, at: number): void {
  const { columns } = market.orders;
  const rests = product.book.has(slot);
  if (rests) product.book.remove(slot);
  columns.open[slot] = (columns.open[slot] as number) - quantity;
  if (rests && columns.open[slot] !== 0) product.book.insert(slot);
  tellFilled(market, slot, at);
}

/**
 * Leases that are outbid are given notice. GPUs that are on notice already are for the best bids that are left, so that
 * one bid does not end leases in every auction.
 */
function giveNotices(market: Market, product: Product, at: number): void {
  const { orders, holds } = market;
  const left = Array.from(product.interruptibleBids, (slot) => ({
    price: orders.priceOf(slot),
    open: orders.openOf(slot),
    priority: orders.priorityOf(slot),
    accountId: orders.accountOf(slot),
  }));
  if (left.length === 0) return;
  const running = [...holds.all()].filter(({ product: name, interruptible }) => interruptible && name === product.name);
  let coming = running.reduce((sum, { reclaimAt, quantity }) => (reclaimAt === null ? sum : sum + quantity), 0);
  left.sort((one, other) => other.price - one.price || one.priority - other.priority);
  const uncovered = left.flatMap((bid) => {
    const covered = Math.min(coming, bid.open);
    coming -= covered;
    return covered === bid.open ? [] : [{ ...bid, open: bid.open - covered }];
  });
  const endsAt = at + product.rules.interruptionNoticeS * 1000;
  const outbiddable = running
    .filter((trade) => trade.reclaimAt === null && trade.endsAt > endsAt)
    .map((trade) => ({ ...trade, accountId: trade.buyerAccountId, trade }));
  for (const { trade } of outbid(uncovered, outbiddable)) giveNotice(market, trade, endsAt);
}

function giveNotice({ holds, events }: Market, trade: Trade, endsAt: number): void {
  const after = { ...trade, endsAt, reclaimAt: endsAt };
  holds.replace(after);
  events.push({ type: 'trade-changed', cause: 'notice', trade: after });
}
