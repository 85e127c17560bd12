// How an incoming order goes through the other side: the lanes that suit it, level after level from the best price, and
// within a level the orders of all these lanes in the order of time.
import { type Lane, noKey } from './lanes.ts';
import type { Levels } from './levels.ts';
import { askSide, type Orders } from './orders.ts';
import { keyOf, type Resting } from './resting.ts';
import { anySize } from './sizes.ts';

export class Sweep {
  /** The lanes that have the level at hand; the first {@link hereCount} of them. */
  readonly here: Lane[] = [];
  hereCount = 0;
  /** The key of the level at hand. */
  key = -1;
  /** Lanes that suit and were not left behind; the first {@link laneCount} of them. */
  readonly lanes: Lane[] = [];
  laneCount = 0;
  readonly side: 0 | 1;
  private readonly orders: Orders;
  private readonly resting: Resting;
  private limit = -1;
  private sizes = anySize;
  private account = 0;
  private duration = 0;
  private score = 0;

  constructor(orders: Orders, resting: Resting, side: 0 | 1) {
    this.orders = orders;
    this.resting = resting;
    this.side = side;
  }

  /**
   * Begins before the best level.
   * @param sizes only levels that may have an order of these sizes are come to
   */
  begin(taker: number, sizes: number): void {
    const { orders } = this;
    this.limit = keyOf(this.side, orders.price[taker] as number);
    this.sizes = sizes;
    this.key = -1;
    this.laneCount = 0;
    const { limit } = this;
    const lanes = this.resting.lanes.sides[this.side];
    const bests = this.resting.lanes.bests[this.side];
    const count = lanes.length;
    for (let i = 0; i < count; i++) {
      if ((bests[i] as number) > limit) continue;
      const lane = lanes[i] as Lane;
      if (lane.suits(orders, taker)) this.add(lane);
    }
    if (this.laneCount === 0) return;
    this.account = orders.account[taker] as number;
    this.duration = orders.duration[taker] as number;
    this.score = orders.score[taker] as number;
  }

  /** Leaves out a lane of {@link lanes}; another one takes its place. */
  leaveOut(index: number): void {
    this.laneCount -= 1;
    this.lanes[index] = this.lanes[this.laneCount] as Lane;
  }

  /** Goes to the next level. @returns false if there is none any more */
  next(): boolean {
    let key = noKey;
    for (let i = 0; i < this.laneCount; i++) {
      const lane = this.lanes[i] as Lane;
      if (lane.key <= this.key) this.move(lane, this.key + 1);
      if (lane.key > this.limit) this.leaveOut(i--);
      else if (lane.key < key) key = lane.key;
    }
    if (key === noKey) return false;
    this.key = key;
    this.hereCount = 0;
    for (let i = 0; i < this.laneCount; i++) {
      const lane = this.lanes[i] as Lane;
      if (lane.key === key) this.here[this.hereCount++] = lane;
    }
    return true;
  }

  /** Whether an order of a lane at hand suits the taker. */
  fits(slot: number, lane: Lane): boolean {
    const { orders } = this;
    if (orders.account[slot] === this.account) return false;
    if (!lane.check) return true;
    const duration = orders.duration[slot] as number;
    const score = orders.score[slot] as number;
    return this.side === askSide
      ? duration >= this.duration && score >= this.score
      : duration <= this.duration && score <= this.score;
  }

  /** GPUs of the orders of the level at hand that suit, in lanes of a kind. */
  total(kind: number): number {
    const mayOwn = this.resting.mayOwn(this.account, this.side, this.key);
    let total = 0;
    for (let i = 0; i < this.hereCount; i++) {
      const lane = this.here[i] as Lane;
      if (lane.kind !== kind) continue;
      total += lane.check || mayOwn ? this.fitting(lane) : this.resting.levels.openOf(lane.level);
    }
    return total;
  }

  private fitting(lane: Lane): number {
    const { levels } = this.resting;
    let total = 0;
    for (let page = levels.head[lane.level] as number; page >= 0; page = levels.next(page)) {
      const used = levels.usedOf(page);
      for (let i = 0; i < used; i++) {
        const slot = levels.slotAt(page, i);
        if (slot >= 0 && this.fits(slot, lane)) total += this.orders.open[slot] as number;
      }
    }
    return total;
  }

  private add(lane: Lane): void {
    if (this.sizes === anySize) {
      lane.key = lane.best;
      lane.level = lane.bestLevel;
    } else {
      this.move(lane, 0);
      if (lane.key > this.limit) return;
    }
    this.lanes[this.laneCount++] = lane;
  }

  private move(lane: Lane, from: number): void {
    const { trie, levels } = this.resting;
    lane.level = trie.next(lane, from, this.sizes);
    lane.key = lane.level < 0 ? noKey : (levels.key[lane.level] as number);
  }
}

/** Goes through the orders of one level in several lanes, oldest first. Of orders whose page has none of the sizes it skips all. */
export class Walk {
  /** The lane of the last order. */
  lane: Lane | undefined;
  private readonly orders: Orders;
  private readonly levels: Levels;
  private readonly lanes: Lane[] = [];
  private readonly pages: number[] = [];
  private readonly places: number[] = [];
  private count = 0;
  private sizes = anySize;

  constructor(orders: Orders, levels: Levels) {
    this.orders = orders;
    this.levels = levels;
  }

  begin(sizes: number): void {
    this.count = 0;
    this.sizes = sizes;
  }

  /** Takes the orders of a lane's level in. */
  add(lane: Lane, level: number): void {
    const page = this.levels.pageFrom(this.levels.head[level] as number, this.sizes);
    if (page < 0) return;
    this.lanes[this.count] = lane;
    this.pages[this.count] = page;
    this.places[this.count++] = this.levels.placeFrom(page, 0);
  }

  /** The slot of the next order, or -1. */
  next(): number {
    if (this.count === 0) return -1;
    const { levels, orders } = this;
    let first = 0;
    let slot = levels.slotAt(this.pages[0] as number, this.places[0] as number);
    for (let i = 1; i < this.count; i++) {
      const other = levels.slotAt(this.pages[i] as number, this.places[i] as number);
      if (orders.priorityOf(other) < orders.priorityOf(slot)) {
        first = i;
        slot = other;
      }
    }
    this.lane = this.lanes[first];
    this.step(first);
    return slot;
  }

  private step(at: number): void {
    const page = this.pages[at] as number;
    const place = this.levels.placeFrom(page, (this.places[at] as number) + 1);
    if (place < this.levels.usedOf(page)) {
      this.places[at] = place;
      return;
    }
    const next = this.levels.pageFrom(this.levels.next(page), this.sizes);
    if (next >= 0) {
      this.pages[at] = next;
      this.places[at] = this.levels.placeFrom(next, 0);
      return;
    }
    this.count -= 1;
    this.lanes[at] = this.lanes[this.count] as Lane;
    this.pages[at] = this.pages[this.count] as number;
    this.places[at] = this.places[this.count] as number;
  }
}
