// The matching rules once more, in the plainest words: slow and obvious, and written from the rules alone, so that the
// real book can be compared with it.
import type { Placement, ProductRules, Side } from '../../../src/broker/engine/order.ts';
import { tick } from '../../../src/broker/engine/order.ts';

export type MatchingRules = Pick<ProductRules, 'allocation' | 'tradePrice' | 'minShare'>;

/** An open order. Strings are numbers here, as they are in the real book. */
export interface ReferenceOrder {
  readonly id: number;
  readonly side: Side;
  /** Ticks. */
  price: number;
  /** GPUs. */
  open: number;
  account: number;
  /** Hours. */
  duration: number;
  /** 0 in a bid: any. */
  region: number;
  score: number;
  /** Its rank, the lowest first. */
  label: number;
  node: number;
  cluster: number;
  placement: Placement;
  minimum: number;
  allOrNone: boolean;
  priority: number;
}

export interface ReferenceFill {
  readonly bid: number;
  readonly ask: number;
  readonly quantity: number;
  /** Micro-dollars per GPU-hour. */
  readonly price: number;
}

/** So many GPUs of an ask for a bid. */
interface Match {
  readonly bid: ReferenceOrder;
  readonly ask: ReferenceOrder;
  readonly quantity: number;
}

type Order = ReferenceOrder;

export function suits(bid: Order, ask: Order): boolean {
  return (
    bid.price >= ask.price &&
    bid.account !== ask.account &&
    ask.duration >= bid.duration &&
    (bid.region === 0 || bid.region === ask.region) &&
    ask.score >= bid.score &&
    ask.label >= bid.label
  );
}

/** Of one product. */
export class ReferenceBook {
  rules: MatchingRules;
  readonly resting = new Map<number, Order>();

  constructor(rules: MatchingRules) {
    this.rules = rules;
  }

  /** What an order that is not in the book would trade now. */
  plan(order: Order): ReferenceFill[] {
    const { rules } = this;
    const matches =
      order.side === 'bid'
        ? planBid(order, this.side('ask'), rules)
        : planAsk(order, this.side('bid'), this.side('ask'), rules);
    return merged(matches).map(({ bid, ask, quantity }) => {
      return { bid: bid.id, ask: ask.id, quantity, price: tradePrice(bid, ask, rules) };
    });
  }

  /** Does a plan of this order; what is at 0 then leaves the book. */
  execute(order: Order, fills: readonly ReferenceFill[]): void {
    for (const { bid, ask, quantity } of fills) {
      for (const id of [bid, ask]) {
        const filled = id === order.id ? order : this.resting.get(id);
        if (!filled || filled.open < quantity) throw new Error(`order ${id} has no ${quantity} GPUs`);
        filled.open -= quantity;
        if (filled.open === 0) this.resting.delete(id);
      }
    }
  }

  insert(order: Order): void {
    this.resting.set(order.id, order);
  }

  remove(id: number): void {
    this.resting.delete(id);
  }

  /** Best price first, oldest first within. */
  side(side: Side): Order[] {
    const better = side === 'bid' ? -1 : 1;
    return [...this.resting.values()]
      .filter((order) => order.side === side)
      .sort((a, b) => better * (a.price - b.price) || a.priority - b.priority);
  }

  /** The first bid that rests although it could trade; undefined in a healthy book. */
  stuck(): Order | undefined {
    const asks = this.side('ask');
    return this.side('bid').find(
      (bid) => asks.some((ask) => suits(bid, ask)) && planBid(bid, asks, this.rules).length > 0,
    );
  }
}

/** @param asks all that rest, best first */
function planBid(bid: Order, asks: readonly Order[], rules: MatchingRules): Match[] {
  const suiting = asks.filter((ask) => suits(bid, ask) && ask.open > 0);
  if (bid.placement === 'node') return planNode(bid, suiting);
  if (bid.placement === 'cluster') return planCluster(bid, suiting);
  const matches: Match[] = [];
  let left = bid.open;
  for (const level of levels(suiting)) {
    for (const [ask, quantity] of allocate(level, left, rules)) {
      matches.push({ bid, ask, quantity });
      left -= quantity;
    }
  }
  const need = bid.allOrNone ? bid.open : Math.min(bid.minimum, bid.open);
  return bid.open - left < need ? [] : matches;
}

function planNode(bid: Order, suiting: readonly Order[]): Match[] {
  const [ask] = suiting
    .filter(({ open }) => open >= bid.open)
    .sort((a, b) => a.price - b.price || a.open - b.open || a.priority - b.priority);
  return ask ? [{ bid, ask, quantity: bid.open }] : [];
}

function planCluster(bid: Order, suiting: readonly Order[]): Match[] {
  const seen: Order[] = [];
  for (const level of levels(suiting)) {
    seen.push(...level);
    const candidates = [...new Set(seen.map(({ cluster }) => cluster))]
      .map((cluster) => seen.filter((ask) => ask.cluster === cluster))
      .filter((asks) => total(asks) >= bid.open)
      .sort((a, b) => total(a) - total(b) || oldest(a) - oldest(b));
    const [asks] = candidates;
    if (asks) return take(asks, bid.open).map(([ask, quantity]) => ({ bid, ask, quantity }));
  }
  return [];
}

function planAsk(ask: Order, bids: readonly Order[], asks: readonly Order[], rules: MatchingRules): Match[] {
  const matches: Match[] = [];
  const given = (order: Order) => sum(matches.filter((match) => match.ask === order).map(({ quantity }) => quantity));
  const left = () => ask.open - given(ask);
  /** The bid as if it came in now: what it finds is all asks and this one, less what is given away. */
  const serveConditional = (bid: Order) => {
    const remaining = new Map([...asks, ask].map((order) => [{ ...order, open: order.open - given(order) }, order]));
    const offered = [...remaining.keys()].sort((a, b) => a.price - b.price || a.priority - b.priority);
    for (const match of planBid(bid, offered, rules)) {
      matches.push({ ...match, ask: remaining.get(match.ask) as Order });
    }
  };
  for (const level of levels(bids.filter((bid) => suits(bid, ask)))) {
    if (rules.allocation === 'pro-rata') {
      const plain = level.filter((bid) => !isConditional(bid));
      for (const [bid, quantity] of allocate(plain, left(), rules)) matches.push({ bid, ask, quantity });
    }
    for (const bid of level) {
      if (left() === 0) return matches;
      if (isConditional(bid)) serveConditional(bid);
      else if (rules.allocation === 'price-time') matches.push({ bid, ask, quantity: Math.min(bid.open, left()) });
    }
  }
  return matches;
}

export function isConditional(bid: Order): boolean {
  return bid.placement !== 'any' || (bid.allOrNone ? bid.open : Math.min(bid.minimum, bid.open)) > 1;
}

/** What each order of a level, oldest first, has of an incoming quantity. */
function allocate(level: readonly Order[], left: number, rules: MatchingRules): [Order, number][] {
  if (rules.allocation === 'price-time' || left >= total(level)) return take(level, left);
  const shares = new Map(
    level.map((order) => {
      const share = Math.floor((left * order.open) / total(level));
      return [order, share < rules.minShare ? 0 : share];
    }),
  );
  let remainder = left - sum([...shares.values()]);
  for (const [order, share] of shares) {
    const more = Math.min(order.open - share, remainder);
    shares.set(order, share + more);
    remainder -= more;
  }
  return [...shares].filter(([, share]) => share > 0);
}

/** One after the other, whole. */
function take(orders: readonly Order[], quantity: number): [Order, number][] {
  let left = quantity;
  return orders
    .map((order): [Order, number] => {
      const taken = Math.min(order.open, left);
      left -= taken;
      return [order, taken];
    })
    .filter(([, taken]) => taken > 0);
}

/** Neighbours of one price together. */
function levels(orders: readonly Order[]): Order[][] {
  const found: Order[][] = [];
  for (const order of orders) {
    const last = found.at(-1);
    if (last?.[0]?.price === order.price) last.push(order);
    else found.push([order]);
  }
  return found;
}

function tradePrice(bid: Order, ask: Order, rules: MatchingRules): number {
  if (rules.tradePrice === 'midpoint') return Math.floor((bid.price * tick + ask.price * tick) / 2);
  return (bid.priority < ask.priority ? bid.price : ask.price) * tick;
}

/** Matches of one pair are one. */
function merged(matches: readonly Match[]): Match[] {
  const pairs = new Map<string, Match>();
  for (const match of matches) {
    const key = `${match.bid.id} ${match.ask.id}`;
    pairs.set(key, { ...match, quantity: match.quantity + (pairs.get(key)?.quantity ?? 0) });
  }
  return [...pairs.values()];
}

function total(orders: readonly Order[]): number {
  return sum(orders.map(({ open }) => open));
}

function oldest(orders: readonly Order[]): number {
  return Math.min(...orders.map(({ priority }) => priority));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, one) => all + one, 0);
}
