// The spot auction: finds the one price at which most is traded, who trades at it, and who is outbid by the rest.
import { tick } from './order.ts';

/** What the auction looks at in an order. */
export interface AuctionOrder {
  /** Micro-dollars per GPU-hour, a multiple of the tick. */
  readonly price: number;
  /** GPUs. */
  readonly open: number;
  /** A lower one is served first; no two orders have the same. */
  readonly priority: number;
  /** Asks of an account that bids sit out. */
  readonly accountId: string;
}

/** So many GPUs of an ask for a bid. */
export interface AuctionMatch<Order> {
  readonly bid: Order;
  readonly ask: Order;
  readonly quantity: number;
}

export interface Clearing<Order> {
  /** What everybody trades at; null where nothing can trade. */
  readonly price: number | null;
  /** GPUs that trade. */
  readonly volume: number;
  /** GPUs of all bids, and of all asks that do not sit out. */
  readonly bidQuantity: number;
  readonly askQuantity: number;
  /** GPUs that are bid for less those that are offered, at the price; of all orders where there is none. */
  readonly imbalance: number;
  /** In the order of price and time. */
  readonly matches: readonly AuctionMatch<Order>[];
}

/**
 * Clears an auction. The price is the multiple of the tick with the largest volume; of several that with the least
 * imbalance, then the nearest to the reference, then the lowest.
 * @param reference the last price; null for none, and the lowest price is taken
 */
export function clear<Order extends AuctionOrder>(
  bids: readonly Order[],
  asks: readonly Order[],
  reference: number | null,
): Clearing<Order> {
  const bidders = new Set(bids.map(({ accountId }) => accountId));
  const offered = asks.filter(({ accountId }) => !bidders.has(accountId));
  const quantities = { bidQuantity: openOf(bids), askQuantity: openOf(offered) };
  const best = bestPrice(bids, offered, reference);
  if (!best) {
    return {
      ...quantities,
      price: null,
      volume: 0,
      imbalance: quantities.bidQuantity - quantities.askQuantity,
      matches: [],
    };
  }
  const { price, volume, imbalance } = best;
  const buying = bids.filter((bid) => bid.price >= price).sort((a, b) => b.price - a.price || a.priority - b.priority);
  const selling = offered
    .filter((ask) => ask.price <= price)
    .sort((a, b) => a.price - b.price || a.priority - b.priority);
  return { ...quantities, price, volume, imbalance, matches: pair(buying, selling, volume) };
}

interface Candidate {
  readonly price: number;
  readonly volume: number;
  readonly imbalance: number;
}

/** Undefined where no bid reaches an ask. */
function bestPrice(
  bids: readonly AuctionOrder[],
  asks: readonly AuctionOrder[],
  reference: number | null,
): Candidate | undefined {
  const highest = bids.reduce((most, { price }) => Math.max(most, price), -1);
  // A book has many asks that no bid reaches: they cannot trade, and change nothing below the highest bid.
  const reached = asks.filter(({ price }) => price <= highest);
  const bidLevels = levelsOf(bids);
  const askLevels = levelsOf(reached);
  const prices = [...new Set([...bidLevels.keys(), ...askLevels.keys()])].sort((a, b) => a - b);
  let best: Candidate | undefined;
  let demand = openOf(bids);
  let supply = 0;
  const consider = (price: number) => {
    const candidate = { price, volume: Math.min(demand, supply), imbalance: demand - supply };
    if (candidate.volume > 0 && (!best || isBetter(candidate, best, reference))) best = candidate;
  };
  for (const [index, price] of prices.entries()) {
    supply += askLevels.get(price) ?? 0;
    consider(price);
    demand -= bidLevels.get(price) ?? 0;
    const next = prices[index + 1];
    if (next !== undefined) for (const between of pricesBetween(price, next, reference)) consider(between);
  }
  return best;
}

/**
 * Between two prices of orders all prices trade the same: the lowest of them and those about the reference stand for all.
 */
function pricesBetween(low: number, high: number, reference: number | null): number[] {
  const first = low + tick;
  const last = high - tick;
  if (first > last) return [];
  if (reference === null) return [first];
  const below = Math.floor(reference / tick) * tick;
  return [below, below + tick].map((price) => Math.min(Math.max(price, first), last));
}

function isBetter(one: Candidate, other: Candidate, reference: number | null): boolean {
  if (one.volume !== other.volume) return one.volume > other.volume;
  const imbalance = Math.abs(one.imbalance) - Math.abs(other.imbalance);
  if (imbalance !== 0) return imbalance < 0;
  const distance = reference === null ? 0 : Math.abs(one.price - reference) - Math.abs(other.price - reference);
  return distance === 0 ? one.price < other.price : distance < 0;
}

/** GPUs at each price. */
function levelsOf(orders: readonly AuctionOrder[]): Map<number, number> {
  const levels = new Map<number, number>();
  for (const { price, open } of orders) levels.set(price, (levels.get(price) ?? 0) + open);
  return levels;
}

function openOf(orders: readonly AuctionOrder[]): number {
  return orders.reduce((sum, { open }) => sum + open, 0);
}

/** Both sides in the order in which they are served. */
function pair<Order extends AuctionOrder>(
  bids: readonly Order[],
  asks: readonly Order[],
  volume: number,
): AuctionMatch<Order>[] {
  const matches: AuctionMatch<Order>[] = [];
  let bidIndex = 0;
  let askIndex = 0;
  let bidLeft = bids[0]?.open ?? 0;
  let askLeft = asks[0]?.open ?? 0;
  for (let left = volume; left > 0; ) {
    const bid = bids[bidIndex];
    const ask = asks[askIndex];
    if (!bid || !ask) break;
    const quantity = Math.min(bidLeft, askLeft, left);
    if (quantity > 0) matches.push({ bid, ask, quantity });
    left -= quantity;
    bidLeft -= quantity;
    askLeft -= quantity;
    if (bidLeft === 0) bidLeft = bids[++bidIndex]?.open ?? 0;
    if (askLeft === 0) askLeft = asks[++askIndex]?.open ?? 0;
  }
  return matches;
}

/** A running interruptible hold that has no notice yet. */
export interface OutbiddableHold {
  /** What its holder bid, in micro-dollars per GPU-hour. */
  readonly bidPrice: number;
  readonly quantity: number;
  /** Of the trade: a higher one is newer. */
  readonly number: number;
  /** Whose it is. */
  readonly accountId: string;
}

/**
 * Which holds get notice, because what is unfilled after an auction bids more: the best bid first, each taking the
 * cheapest holds of others (of these the newest first) until its GPUs are covered.
 * @param bids what is unfilled, with `open` as it is after the auction
 */
export function outbid<Order extends AuctionOrder, Hold extends OutbiddableHold>(
  bids: readonly Order[],
  holds: readonly Hold[],
): Hold[] {
  const cheapest = [...holds].sort((a, b) => a.bidPrice - b.bidPrice || b.number - a.number);
  const noticed = new Set<Hold>();
  for (const bid of [...bids].sort((a, b) => b.price - a.price || a.priority - b.priority)) {
    let covered = 0;
    for (const hold of cheapest) {
      if (covered >= bid.open || hold.bidPrice >= bid.price) break;
      if (noticed.has(hold) || hold.accountId === bid.accountId) continue;
      noticed.add(hold);
      covered += hold.quantity;
    }
  }
  return [...noticed];
}
