// Where a bid's GPUs must be together: the ask that serves a bid for one node, and the asks that serve one for a cluster.
import type { Lane } from './lanes.ts';
import type { Levels } from './levels.ts';
import type { Orders } from './orders.ts';
import type { Resting } from './resting.ts';
import { anySize, sizeBit, sizesFrom } from './sizes.ts';
import { type Sweep, Walk } from './sweep.ts';

/** The ask of the cheapest level that has one of at least the bid's size: the smallest of these, then the oldest; or -1. */
export function askOfOneNode(orders: Orders, levels: Levels, asks: Sweep, bid: number): number {
  const quantity = orders.open[bid] as number;
  asks.begin(bid, sizesFrom(quantity));
  while (asks.next()) {
    let best = -1;
    for (let i = 0; i < asks.hereCount; i++) {
      best = smallestIn(orders, levels, asks, asks.here[i] as Lane, quantity, best);
    }
    if (best >= 0) return best;
  }
  return -1;
}

/** The better of `best` and what a lane has at the level at hand. */
function smallestIn(orders: Orders, levels: Levels, asks: Sweep, lane: Lane, quantity: number, best: number): number {
  const sizes = sizesFrom(quantity);
  let found = 0;
  let smallest = best;
  let page = levels.pageFrom(levels.head[lane.level] as number, sizes);
  while (page >= 0) {
    let onPage = 0;
    const used = levels.usedOf(page);
    for (let i = 0; i < used; i++) {
      const slot = levels.slotAt(page, i);
      if (slot < 0) continue;
      const open = orders.open[slot] as number;
      onPage |= sizeBit(open);
      if (open < quantity || !asks.fits(slot, lane)) continue;
      if (smallest < 0 || isBetter(orders, slot, smallest)) smallest = slot;
    }
    levels.tightenPage(page, onPage);
    found |= onPage;
    // Nothing later in this lane is smaller or older.
    if (smallest >= 0 && orders.open[smallest] === quantity) return smallest;
    page = levels.pageFrom(levels.next(page), sizes);
  }
  levels.sizes[lane.level] = (levels.sizes[lane.level] as number) & (~sizes | found);
  return smallest;
}

function isBetter(orders: Orders, slot: number, other: number): boolean {
  const difference = (orders.open[slot] as number) - (orders.open[other] as number);
  return difference < 0 || (difference === 0 && orders.priorityOf(slot) < orders.priorityOf(other));
}

/** What has been seen of a cluster. */
interface Tally {
  readonly cluster: number;
  open: number;
  /** Priority of the oldest ask seen. */
  first: number;
}

/** Finds the asks of one cluster that serve a bid. */
export class ClusterSearch {
  /** Asks of the cluster that was found, cheapest and oldest first, the first {@link count} of them. */
  readonly asks: number[] = [];
  count = 0;
  /** Where none was found: the most suiting GPUs that a cluster has, or more. */
  most = 0;
  private readonly orders: Orders;
  private readonly resting: Resting;
  private readonly walk: Walk;
  private readonly tallies = new Map<number, Tally>();

  constructor(orders: Orders, resting: Resting) {
    this.orders = orders;
    this.resting = resting;
    this.walk = new Walk(orders, resting.levels);
  }

  /** @returns whether a cluster serves the bid */
  find(asks: Sweep, bid: number): boolean {
    const quantity = this.orders.open[bid] as number;
    this.count = 0;
    this.tallies.clear();
    this.most = this.mostOpen(quantity);
    if (this.most >= quantity) {
      this.most = this.mostOpenBelow(quantity);
      asks.begin(bid, anySize);
      while (asks.next()) {
        const best = this.tallyLevel(asks, quantity);
        if (best === undefined) continue;
        this.keep(best.cluster);
        return true;
      }
      for (const tally of this.tallies.values()) this.most = Math.max(this.most, tally.open);
    }
    this.count = 0;
    return false;
  }

  /** Adds the level at hand. @returns the tally that is served then, if any */
  private tallyLevel(asks: Sweep, quantity: number): Tally | undefined {
    const { orders, walk } = this;
    walk.begin(anySize);
    for (let i = 0; i < asks.hereCount; i++) walk.add(asks.here[i] as Lane, (asks.here[i] as Lane).level);
    for (let slot = walk.next(); slot >= 0; slot = walk.next()) {
      const cluster = orders.cluster[slot] as number;
      // A cluster with too few GPUs in the whole book serves nobody.
      if ((this.resting.clusterOpen[cluster] as number) < quantity) continue;
      const open = orders.open[slot] as number;
      if (open === 0 || !asks.fits(slot, walk.lane as Lane)) continue;
      this.asks[this.count++] = slot;
      this.tally(cluster, open, orders.priorityOf(slot));
    }
    return this.smallest(quantity);
  }

  private tally(cluster: number, open: number, priority: number): void {
    const tally = this.tallies.get(cluster);
    if (tally === undefined) {
      this.tallies.set(cluster, { cluster, open, first: priority });
      return;
    }
    tally.open += open;
    if (priority < tally.first) tally.first = priority;
  }

  /** The smallest tally of at least a quantity, then that with the oldest ask. */
  private smallest(quantity: number): Tally | undefined {
    let best: Tally | undefined;
    for (const tally of this.tallies.values()) {
      if (tally.open < quantity) continue;
      if (best === undefined || tally.open < best.open || (tally.open === best.open && tally.first < best.first)) {
        best = tally;
      }
    }
    return best;
  }

  /** Of the asks seen only those of a cluster. */
  private keep(cluster: number): void {
    let kept = 0;
    for (let i = 0; i < this.count; i++) {
      const slot = this.asks[i] as number;
      if (this.orders.cluster[slot] === cluster) this.asks[kept++] = slot;
    }
    this.count = kept;
  }

  /** The most GPUs that any cluster has; looks no further once that is enough. */
  private mostOpen(enough: number): number {
    const { clusterOpen } = this.resting;
    let most = 0;
    for (let i = 0; i < clusterOpen.length && most < enough; i++) most = Math.max(most, clusterOpen[i] as number);
    return most;
  }

  /** The most GPUs of clusters that have fewer than a quantity. */
  private mostOpenBelow(quantity: number): number {
    let most = 0;
    for (const open of this.resting.clusterOpen) if (open < quantity && open > most) most = open;
    return most;
  }
}
