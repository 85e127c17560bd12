// What an incoming order would trade with, by the rules of matching; it finds fills and changes nothing that can be seen.
import { Allocation, type Give } from './allocation.ts';
import { Fills } from './fills.ts';
import { type Lane, laneKinds, need } from './lanes.ts';
import { askSide, bidSide, type Orders, placements } from './orders.ts';
import { askOfOneNode, ClusterSearch } from './placement.ts';
import type { Resting } from './resting.ts';
import { anySize } from './sizes.ts';
import { Sweep, Walk } from './sweep.ts';
import type { Waiting } from './waiting.ts';

/** What of a product's rules the book follows. */
export interface BookRules {
  readonly allocation: 'pro-rata' | 'price-time';
  readonly tradePrice: 'midpoint' | 'maker';
  readonly minShare: number;
}

export class Matching {
  readonly fills = new Fills();
  rules: BookRules;
  /** After a bid that could not trade, or not more: how many GPUs it would still have to be offered, at least. */
  lacks = 0;
  private readonly orders: Orders;
  private readonly resting: Resting;
  private readonly waiting: Waiting;
  private readonly asks: Sweep;
  private readonly bids: Sweep;
  private readonly bidWalk: Walk;
  private readonly askAllocation: Allocation;
  private readonly bidAllocation: Allocation;
  private readonly clusters: ClusterSearch;
  private taker = -1;
  /** While an ask is matched: asks whose open was lowered for the time being, and what it was. */
  private readonly lowered: number[] = [];
  private readonly loweredFrom: number[] = [];
  /** GPUs of other asks than the incoming one that waiting bids take in this plan. */
  private givenByOthers = 0;
  private readonly giveBid: Give = (ask, quantity) => this.fill(this.taker, ask, quantity);
  private readonly giveAsk: Give = (bid, quantity) => this.fill(bid, this.taker, quantity);

  constructor(orders: Orders, resting: Resting, waiting: Waiting, rules: BookRules) {
    this.orders = orders;
    this.resting = resting;
    this.waiting = waiting;
    this.rules = rules;
    this.asks = new Sweep(orders, resting, askSide);
    this.bids = new Sweep(orders, resting, bidSide);
    this.bidWalk = new Walk(orders, resting.levels);
    this.askAllocation = new Allocation(orders, resting.levels);
    this.bidAllocation = new Allocation(orders, resting.levels);
    this.clusters = new ClusterSearch(orders, resting);
  }

  /** Fills {@link fills}. @returns GPUs of the order */
  plan(slot: number): number {
    this.fills.count = 0;
    return this.orders.side[slot] === bidSide ? this.planBid(slot) : this.planAsk(slot);
  }

  private fill(bid: number, ask: number, quantity: number): void {
    this.fills.add(this.orders, bid, ask, quantity, this.rules.tradePrice);
  }

  private planBid(bid: number): number {
    const placement = this.orders.placement[bid];
    if (placement === placements.any) return this.planAny(bid);
    return placement === placements.node ? this.planNode(bid) : this.planCluster(bid);
  }

  private planAny(bid: number): number {
    const { asks, fills, orders } = this;
    const open = orders.open[bid] as number;
    const least = need(orders, bid);
    this.lacks = least;
    asks.begin(bid, anySize);
    if (asks.laneCount === 0) return 0;
    if (least > 1) {
      const most = this.openOfLanes(asks);
      this.lacks = least - most;
      if (most < least) return 0;
    }
    const start = fills.count;
    this.taker = bid;
    let left = open;
    while (left > 0 && asks.next()) left = this.share(this.askAllocation, asks, left, this.giveBid);
    const filled = open - left;
    this.lacks = least - filled;
    if (filled >= least) {
      // It has all that suits it: what is left of it lacks everything.
      this.lacks = Math.min(orders.minimum[bid] as number, left);
      return filled;
    }
    fills.count = start;
    return 0;
  }

  private share(allocation: Allocation, sweep: Sweep, quantity: number, give: Give): number {
    return this.rules.allocation === 'pro-rata'
      ? allocation.proRata(sweep, quantity, this.rules.minShare, give)
      : allocation.byTime(sweep, quantity, give);
  }

  private openOfLanes(sweep: Sweep): number {
    let open = 0;
    for (let i = 0; i < sweep.laneCount; i++) open += (sweep.lanes[i] as Lane).open;
    return open;
  }

  private planNode(bid: number): number {
    const ask = askOfOneNode(this.orders, this.resting.levels, this.asks, bid);
    if (ask < 0) return 0;
    const quantity = this.orders.open[bid] as number;
    this.fill(bid, ask, quantity);
    return quantity;
  }

  private planCluster(bid: number): number {
    const { clusters, orders } = this;
    const quantity = orders.open[bid] as number;
    if (!clusters.find(this.asks, bid)) {
      this.lacks = quantity - clusters.most;
      return 0;
    }
    let left = quantity;
    for (let i = 0; i < clusters.count && left > 0; i++) {
      const ask = clusters.asks[i] as number;
      const part = Math.min(orders.open[ask] as number, left);
      this.fill(bid, ask, part);
      left -= part;
    }
    return quantity;
  }

  private planAsk(ask: number): number {
    const { bids, orders } = this;
    const open = orders.open[ask] as number;
    bids.begin(ask, anySize);
    this.leaveOutWaiting(open);
    if (bids.laneCount === 0) return 0;
    this.taker = ask;
    this.givenByOthers = 0;
    const tired = this.tiredLanes();
    let left = open;
    while (left > 0 && bids.next()) left = this.takeLevel(ask, left);
    this.undo(ask, open);
    for (const lane of tired) this.waiting.rest(lane, this.bidsOf(lane));
    return open - left;
  }

  /** Leaves out the lanes of waiting bids of which none can trade. */
  private leaveOutWaiting(open: number): void {
    const { bids, waiting } = this;
    for (let i = 0; i < bids.laneCount; i++) {
      const lane = bids.lanes[i] as Lane;
      if (lane.kind === laneKinds.plain) continue;
      if (lane.kind === laneKinds.node && !waiting.isChecked(lane) && !this.someCanTrade(lane)) waiting.check(lane);
      if (!waiting.mayTrade(lane, open)) bids.leaveOut(i--);
    }
  }

  /** Whether a bid of a lane, each for one node, can trade with what rests. */
  private someCanTrade(lane: Lane): boolean {
    const { orders, resting } = this;
    let lowest = Number.POSITIVE_INFINITY;
    for (const asks of resting.lanes.sides[askSide]) lowest = Math.min(lowest, asks.best);
    for (const bid of this.bidsOf(lane)) {
      if ((orders.price[bid] as number) < lowest) return false;
      if (askOfOneNode(orders, resting.levels, this.asks, bid) >= 0) return true;
    }
    return false;
  }

  /** Best price first. */
  private *bidsOf(lane: Lane): Generator<number> {
    const { trie, levels } = this.resting;
    for (let key = lane.best; ; key++) {
      const level = trie.next(lane, key, anySize);
      if (level < 0) return;
      key = levels.key[level] as number;
      for (let page = levels.head[level] as number; page >= 0; page = levels.next(page)) {
        const used = levels.usedOf(page);
        for (let i = 0; i < used; i++) if (levels.slotAt(page, i) >= 0) yield levels.slotAt(page, i);
      }
    }
  }

  private tiredLanes(): readonly Lane[] {
    const { bids, waiting } = this;
    let tired = none;
    for (let i = 0; i < bids.laneCount; i++) {
      const lane = bids.lanes[i] as Lane;
      if (waiting.isTired(lane)) tired = [...tired, lane];
    }
    return tired;
  }

  /** Serves the bids of the level at hand. @returns what is left of the ask */
  private takeLevel(ask: number, quantity: number): number {
    const { bids } = this;
    let waitingHere = false;
    for (let i = 0; i < bids.hereCount; i++) waitingHere ||= (bids.here[i] as Lane).kind !== laneKinds.plain;
    if (!waitingHere) return this.share(this.bidAllocation, bids, quantity, this.giveAsk);
    if (this.rules.allocation === 'price-time') return this.inTurn(ask, quantity, true);
    const left = this.share(this.bidAllocation, bids, quantity, this.giveAsk);
    return this.inTurn(ask, left, false);
  }

  /** Oldest first: waiting bids, and plain ones too if these were not served before. */
  private inTurn(ask: number, quantity: number, plainToo: boolean): number {
    const { bids, bidWalk, orders, waiting } = this;
    bidWalk.begin(anySize);
    for (let i = 0; i < bids.hereCount; i++) {
      const lane = bids.here[i] as Lane;
      if (plainToo || lane.kind !== laneKinds.plain) bidWalk.add(lane, lane.level);
    }
    let left = quantity;
    while (left > 0) {
      const bid = bidWalk.next();
      if (bid < 0) break;
      const lane = bidWalk.lane as Lane;
      if (!bids.fits(bid, lane)) continue;
      const open = orders.open[bid] as number;
      if (lane.kind !== laneKinds.plain) {
        if (waiting.bidMayTrade(bid, lane, open, left)) left = this.offer(bid, lane, ask, left);
        continue;
      }
      const part = Math.min(open, left);
      this.fill(bid, ask, part);
      left -= part;
    }
    return left;
  }

  /** Plans a waiting bid as if it came in now, with the ask at rest too. @returns what is left of the ask */
  private offer(bid: number, lane: Lane, ask: number, quantity: number): number {
    const { fills, orders, waiting } = this;
    if (this.lowered.length === 0) {
      orders.open[ask] = quantity;
      this.resting.insert(ask);
      this.lower(ask, quantity);
    } else this.lower(ask, quantity);
    const start = fills.count;
    this.taker = bid;
    const filled = this.planBid(bid);
    this.taker = ask;
    if (filled === 0) {
      // What it lacked counts this ask, which may not come to rest. Of a cluster it may have been another one's GPUs.
      const counted = orders.placement[bid] === placements.any ? quantity : 0;
      waiting.stillLacks(bid, lane, this.lacks + counted - this.givenByOthers);
      return quantity;
    }
    let left = quantity;
    for (let i = start; i < fills.count; i++) {
      const from = fills.ask[i] as number;
      const part = fills.quantity[i] as number;
      if (from === ask) left -= part;
      else this.givenByOthers += part;
      this.lower(from, (orders.open[from] as number) - part);
    }
    return left;
  }

  private lower(ask: number, open: number): void {
    this.lowered.push(ask);
    this.loweredFrom.push(this.orders.open[ask] as number);
    this.resting.resize(ask, open);
  }

  /** Puts everything back as it was before the waiting bids of this plan. */
  private undo(ask: number, open: number): void {
    if (this.lowered.length === 0) return;
    for (let i = this.lowered.length - 1; i >= 0; i--) {
      this.resting.resize(this.lowered[i] as number, this.loweredFrom[i] as number);
    }
    this.lowered.length = 0;
    this.loweredFrom.length = 0;
    this.resting.remove(ask);
    this.orders.open[ask] = open;
  }
}

const none: readonly Lane[] = [];
