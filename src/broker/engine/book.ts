// The book of one product: which resting orders an incoming one trades with, and the levels that they rest in.
import { Fills } from './fills.ts';
import { askSide, bidSide, notResting, type Orders, placements } from './orders.ts';

/** What of a product's rules the book follows. */
export interface BookRules {
  readonly allocation: 'pro-rata' | 'price-time';
  readonly tradePrice: 'midpoint' | 'maker';
  readonly minShare: number;
}

/** A price level. */
export interface BookLevel {
  /** Ticks. */
  readonly price: number;
  readonly quantity: number;
  readonly orders: number;
}

type Shape = Pick<Orders, 'price' | 'account' | 'duration' | 'region' | 'score' | 'label'>;

function suits(orders: Shape, bid: number, ask: number): boolean {
  const region = orders.region[bid] as number;
  return (
    (orders.price[bid] as number) >= (orders.price[ask] as number) &&
    orders.account[bid] !== orders.account[ask] &&
    (orders.duration[ask] as number) >= (orders.duration[bid] as number) &&
    (region === 0 || region === orders.region[ask]) &&
    (orders.score[ask] as number) >= (orders.score[bid] as number) &&
    (orders.label[ask] as number) >= (orders.label[bid] as number)
  );
}

/** The fewest GPUs that a bid takes. */
function need(orders: Orders, bid: number): number {
  const open = orders.open[bid] as number;
  return orders.allOrNone[bid] === 1 ? open : Math.min(orders.minimum[bid] as number, open);
}

export class Book {
  readonly fills = new Fills();
  private readonly orders: Orders;
  private rules: BookRules;
  /** Slots by price; by priority within. */
  private readonly levels: [Map<number, number[]>, Map<number, number[]>] = [new Map(), new Map()];
  /** Best first. */
  private readonly prices: [number[], number[]] = [[], []];
  /** What the plan in the making has taken of each ask. */
  private readonly given = new Map<number, number>();

  constructor(orders: Orders, rules: BookRules) {
    this.orders = orders;
    this.rules = rules;
  }

  setRules(rules: BookRules): void {
    this.rules = rules;
  }

  /**
   * What an order that is not in the book would trade now: fills {@link fills} and changes nothing else.
   * @returns GPUs of this order. An incoming ask can let a waiting bid trade with other asks too: fills of other orders.
   */
  plan(slot: number): number {
    this.fills.count = 0;
    this.given.clear();
    return this.orders.side[slot] === bidSide ? this.planBid(slot, -1) : this.planAsk(slot);
  }

  /** Does the last plan: opens fall, and resting orders without any leave the book. Their slots are not released. */
  execute(): void {
    const { fills, orders } = this;
    for (let i = 0; i < fills.count; i++) {
      for (const slot of [fills.bid[i] as number, fills.ask[i] as number]) {
        orders.open[slot] = (orders.open[slot] as number) - (fills.quantity[i] as number);
        if (orders.open[slot] === 0 && this.has(slot)) this.remove(slot);
      }
    }
    fills.count = 0;
  }

  /** Rests an order with something open at its priority. */
  insert(slot: number): void {
    const side = this.orders.side[slot] as 0 | 1;
    const price = this.orders.price[slot] as number;
    let level = this.levels[side].get(price);
    if (level === undefined) {
      level = [];
      this.levels[side].set(price, level);
      const prices = this.prices[side];
      const at = prices.findIndex((other) => (side === bidSide ? other < price : other > price));
      prices.splice(at < 0 ? prices.length : at, 0, price);
    }
    let at = level.length;
    const priority = this.orders.priority[slot] as number;
    while (at > 0 && (this.orders.priority[level[at - 1] as number] as number) > priority) at--;
    level.splice(at, 0, slot);
    this.orders.page[slot] = 0;
  }

  /** Takes a resting order out; it keeps its slot. */
  remove(slot: number): void {
    const side = this.orders.side[slot] as 0 | 1;
    const price = this.orders.price[slot] as number;
    const level = this.levels[side].get(price) as number[];
    level.splice(level.indexOf(slot), 1);
    if (level.length === 0) {
      this.levels[side].delete(price);
      this.prices[side].splice(this.prices[side].indexOf(price), 1);
    }
    this.orders.page[slot] = notResting;
  }

  /** Whether an order of this product rests. */
  has(slot: number): boolean {
    return this.orders.page[slot] !== notResting;
  }

  /** The best levels of a side. */
  depth(side: 0 | 1, levels: number): BookLevel[] {
    return this.prices[side].slice(0, levels).map((price) => {
      const slots = this.levels[side].get(price) as number[];
      const quantity = slots.reduce((sum, slot) => sum + (this.orders.open[slot] as number), 0);
      return { price, quantity, orders: slots.length };
    });
  }

  /** GPUs that rest on a side. */
  openQuantity(side: 0 | 1): number {
    return this.depth(side, Number.POSITIVE_INFINITY).reduce((sum, level) => sum + level.quantity, 0);
  }

  /** Resting orders of a side, best price first, oldest first within; the book may not change meanwhile. */
  *slots(side: 0 | 1): Generator<number> {
    for (const price of this.prices[side]) yield* this.levels[side].get(price) as number[];
  }

  private fill(bid: number, ask: number, quantity: number): void {
    this.fills.add(this.orders, bid, ask, quantity, this.rules.tradePrice);
    this.given.set(ask, (this.given.get(ask) ?? 0) + quantity);
  }

  private open(ask: number): number {
    return (this.orders.open[ask] as number) - (this.given.get(ask) ?? 0);
  }

  /** The asks that suit a bid, cheapest level first, oldest first within; `incoming` as if it rested. */
  private *suiting(bid: number, incoming: number): Generator<number[]> {
    const { orders } = this;
    const prices = [...this.prices[askSide]];
    const own = orders.price[incoming] as number;
    if (incoming >= 0 && !prices.includes(own)) prices.push(own);
    for (const price of prices.sort((a, b) => a - b)) {
      if (price > (orders.price[bid] as number)) return;
      const level = [...(this.levels[askSide].get(price) ?? [])];
      if (incoming >= 0 && price === own) level.push(incoming);
      level.sort((a, b) => (orders.priority[a] as number) - (orders.priority[b] as number));
      const suiting = level.filter((ask) => suits(orders, bid, ask) && this.open(ask) > 0);
      if (suiting.length > 0) yield suiting;
    }
  }

  /** @returns GPUs of the bid */
  private planBid(bid: number, incoming: number): number {
    const placement = this.orders.placement[bid];
    if (placement === placements.node) return this.planNode(bid, incoming);
    if (placement === placements.cluster) return this.planCluster(bid, incoming);
    const open = this.orders.open[bid] as number;
    const start = this.fills.count;
    const before = new Map(this.given);
    let left = open;
    for (const level of this.suiting(bid, incoming)) {
      const shares = this.allocate(
        level.map((ask) => this.open(ask)),
        left,
      );
      for (const [i, share] of shares.entries()) {
        if (share > 0) this.fill(bid, level[i] as number, share);
        left -= share;
      }
      if (left === 0) break;
    }
    if (open - left >= need(this.orders, bid)) return open - left;
    this.fills.count = start;
    this.given.clear();
    for (const [ask, quantity] of before) this.given.set(ask, quantity);
    return 0;
  }

  /** What each of the orders of a level, oldest first, has of an incoming quantity. */
  private allocate(opens: readonly number[], quantity: number): number[] {
    const total = opens.reduce((sum, open) => sum + open, 0);
    const shares = opens.map((open) => {
      if (quantity >= total) return open;
      if (this.rules.allocation === 'price-time') return 0;
      const share = Math.floor((quantity * open) / total);
      return share < this.rules.minShare ? 0 : share;
    });
    let left = quantity - shares.reduce((sum, share) => sum + share, 0);
    return opens.map((open, i) => {
      const more = Math.min(open - (shares[i] as number), left);
      left -= more;
      return (shares[i] as number) + more;
    });
  }

  private planNode(bid: number, incoming: number): number {
    const quantity = this.orders.open[bid] as number;
    for (const level of this.suiting(bid, incoming)) {
      let best = -1;
      for (const ask of level) {
        if (this.open(ask) >= quantity && (best < 0 || this.open(ask) < this.open(best))) best = ask;
      }
      if (best < 0) continue;
      this.fill(bid, best, quantity);
      return quantity;
    }
    return 0;
  }

  private planCluster(bid: number, incoming: number): number {
    const { orders } = this;
    const quantity = orders.open[bid] as number;
    const seen = new Map<number, { open: number; first: number; asks: number[] }>();
    for (const level of this.suiting(bid, incoming)) {
      for (const ask of level) {
        const cluster = orders.cluster[ask] as number;
        const tally = seen.get(cluster) ?? { open: 0, first: Number.POSITIVE_INFINITY, asks: [] };
        tally.open += this.open(ask);
        tally.first = Math.min(tally.first, orders.priority[ask] as number);
        tally.asks.push(ask);
        seen.set(cluster, tally);
      }
      const [best] = [...seen.values()]
        .filter((tally) => tally.open >= quantity)
        .sort((a, b) => a.open - b.open || a.first - b.first);
      if (best === undefined) continue;
      let left = quantity;
      for (const ask of best.asks) {
        const share = Math.min(this.open(ask), left);
        if (share > 0) this.fill(bid, ask, share);
        left -= share;
      }
      return quantity;
    }
    return 0;
  }

  private planAsk(ask: number): number {
    const { orders } = this;
    const conditional = (bid: number) => orders.placement[bid] !== placements.any || need(orders, bid) > 1;
    for (const price of this.prices[bidSide]) {
      if (price < (orders.price[ask] as number)) break;
      const level = (this.levels[bidSide].get(price) as number[]).filter((bid) => suits(orders, bid, ask));
      const plain = level.filter((bid) => !conditional(bid));
      let later = level;
      if (this.rules.allocation === 'pro-rata') {
        const shares = this.allocate(
          plain.map((bid) => orders.open[bid] as number),
          this.open(ask),
        );
        for (const [i, share] of shares.entries()) if (share > 0) this.fill(plain[i] as number, ask, share);
        later = level.filter(conditional);
      }
      for (const bid of later) {
        if (this.open(ask) === 0) break;
        if (conditional(bid)) this.planBid(bid, ask);
        else this.fill(bid, ask, Math.min(orders.open[bid] as number, this.open(ask)));
      }
      if (this.open(ask) === 0) break;
    }
    return this.given.get(ask) ?? 0;
  }
}
