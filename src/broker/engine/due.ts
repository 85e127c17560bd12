// What becomes due by itself, in the order of its time: holds end, leases on offer become shorter, orders expire,
// surge prices follow, auctions are cleared.
import { clearAuction } from './auctions.ts';
import type { Market } from './market.ts';
import type { Node } from './nodes.ts';
import { bringInLine, reprice } from './offering.ts';
import { endOrder } from './order-life.ts';
import { endHold } from './paying.ts';
import { nextAuction, type Product } from './products.ts';
import { schedule } from './supplying.ts';
import type { Use } from './uses.ts';

const never = Number.POSITIVE_INFINITY;

/** One thing that is due, and when. */
interface Due {
  readonly at: number;
  run(at: number): void;
}

/** Does everything that is due by `now`, each at its own time. */
export function catchUp(market: Market, now: number): void {
  for (;;) {
    const due = firstDue(market);
    if (!due || due.at > now) break;
    market.now = Math.max(market.now, due.at);
    due.run(market.now);
    bringInLine(market, market.now);
    market.flush();
  }
  market.now = Math.max(market.now, now);
  market.caughtUp = market.now;
}

/** When something is due next; null for never. */
export function nextDue(market: Market): number | null {
  return firstDue(market)?.at ?? null;
}

/** Of several at the same time the first of these goes first. */
function firstDue(market: Market): Due | undefined {
  let first: Due | undefined;
  for (const due of [dueHold, dueShortening, dueExpiry, dueCheck, dueAuction]) {
    const next = due(market);
    if (next && (!first || next.at < first.at)) first = next;
  }
  return first;
}

function dueHold(market: Market): Due | undefined {
  const trade = market.holds.first;
  if (!trade) return undefined;
  const reason = trade.reclaimAt === null ? 'expired' : 'outbid';
  return { at: trade.endsAt, run: (at) => endHold(market, trade, reason, at) };
}

function dueShortening(market: Market): Due | undefined {
  const number = market.shortenings.first;
  if (number === undefined) return undefined;
  const node = market.nodes.list[number] as Node;
  const run = (at: number) => {
    schedule(market, node, at);
    for (const offer of node.offers.values()) market.changedOffers.add(offer);
  };
  return { at: node.shortensAt, run };
}

function dueExpiry(market: Market): Due | undefined {
  const slot = market.expiries.first;
  if (slot === undefined) return undefined;
  return { at: market.orders.expiryOf(slot), run: (at) => endOrder(market, slot, 'expired', 'expires-at', at) };
}

function dueCheck(market: Market): Due | undefined {
  const number = market.checks.first;
  if (number === undefined) return undefined;
  const use = market.uses.list[number] as Use;
  return { at: use.checkAt, run: (at) => reprice(market, use, at) };
}

/** Of the products that are due at the same time the first by name. */
function dueAuction(market: Market): Due | undefined {
  let first: Product | undefined;
  let earliest = never;
  for (const product of market.products.list) {
    if (product.interruptibleBids.size === 0 || market.products.haltOf(product) !== null) continue;
    const at = nextAuction(product, Math.max(market.caughtUp, product.clearedAt));
    if (at === undefined || at > earliest) continue;
    if (at === earliest && first && first.name < product.name) continue;
    first = product;
    earliest = at;
  }
  const product = first;
  return product && { at: earliest, run: (at) => clearAuction(market, product, at) };
}
