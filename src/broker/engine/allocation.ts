// How the orders of one price level share an incoming quantity: by time, or pro-rata with the remainder by time.
import { laneKinds } from './lanes.ts';
import type { Levels } from './levels.ts';
import type { Orders } from './orders.ts';
import { anySize, largestOf, sizesFrom } from './sizes.ts';
import { type Sweep, Walk } from './sweep.ts';

/** Is told what each order of the level gets, oldest first. */
export type Give = (slot: number, quantity: number) => void;

/** Shares out among the plain orders of the level at which a sweep stands. */
export class Allocation {
  private readonly orders: Orders;
  private readonly levels: Levels;
  private readonly walk: Walk;
  /** Pro-rata shares, oldest first. */
  private readonly sharers: number[] = [];
  private readonly shares: number[] = [];
  private sharerCount = 0;

  constructor(orders: Orders, levels: Levels) {
    this.orders = orders;
    this.levels = levels;
    this.walk = new Walk(orders, levels);
  }

  /** Oldest first, each as much as there is. @returns what is left over */
  byTime(sweep: Sweep, quantity: number, give: Give): number {
    const { orders, walk } = this;
    this.begin(sweep, anySize);
    let left = quantity;
    while (left > 0) {
      const slot = walk.next();
      if (slot < 0) break;
      const open = orders.open[slot] as number;
      if (open === 0 || !sweep.fits(slot, walk.lane as never)) continue;
      const part = Math.min(open, left);
      give(slot, part);
      left -= part;
    }
    return left;
  }

  /**
   * Each floor(quantity × open ÷ total), nothing where that is below the smallest share; the remainder by time.
   * @returns what is left over
   */
  proRata(sweep: Sweep, quantity: number, smallest: number, give: Give): number {
    const total = sweep.total(laneKinds.plain);
    if (quantity >= total) return this.byTime(sweep, quantity, give);
    // An order has a share only from this size on, and mostly none is so large: then it all goes by time.
    const sharing = Math.ceil((Math.max(smallest, 1) * total) / quantity);
    if (this.largest(sweep) < sharing) return this.byTime(sweep, quantity, give);
    const remainder = quantity - this.share(sweep, quantity, total, sharing);
    this.giveShares(sweep, remainder, give);
    return 0;
  }

  /** Finds the shares. @returns their sum */
  private share(sweep: Sweep, quantity: number, total: number, sharing: number): number {
    const { orders, walk } = this;
    this.sharerCount = 0;
    this.begin(sweep, sizesFrom(sharing));
    let sum = 0;
    for (let slot = walk.next(); slot >= 0; slot = walk.next()) {
      const open = orders.open[slot] as number;
      if (open < sharing || !sweep.fits(slot, walk.lane as never)) continue;
      const share = Math.floor((quantity * open) / total);
      this.sharers[this.sharerCount] = slot;
      this.shares[this.sharerCount++] = share;
      sum += share;
    }
    return sum;
  }

  /** Gives each its share, and the remainder to the oldest. */
  private giveShares(sweep: Sweep, remainder: number, give: Give): void {
    const { orders, walk } = this;
    let left = remainder;
    let sharer = 0;
    if (left > 0) this.begin(sweep, anySize);
    while (left > 0) {
      const slot = walk.next();
      if (slot < 0) break;
      const open = orders.open[slot] as number;
      if (open === 0 || !sweep.fits(slot, walk.lane as never)) continue;
      let share = 0;
      if (sharer < this.sharerCount && this.sharers[sharer] === slot) share = this.shares[sharer++] as number;
      const more = Math.min(open - share, left);
      left -= more;
      if (share + more > 0) give(slot, share + more);
    }
    for (; sharer < this.sharerCount; sharer++) give(this.sharers[sharer] as number, this.shares[sharer] as number);
  }

  private begin(sweep: Sweep, sizes: number): void {
    this.walk.begin(sizes);
    for (let i = 0; i < sweep.hereCount; i++) {
      const lane = sweep.here[i];
      if (lane?.kind === laneKinds.plain) this.walk.add(lane, lane.level);
    }
  }

  /** No plain order of the level is larger. */
  private largest(sweep: Sweep): number {
    let sizes = 0;
    for (let i = 0; i < sweep.hereCount; i++) {
      const lane = sweep.here[i];
      if (lane?.kind === laneKinds.plain) sizes |= this.levels.sizes[lane.level] as number;
    }
    return largestOf(sizes);
  }
}
