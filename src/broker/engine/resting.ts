// What rests in a book: its orders in lanes and levels, and sums over them. It knows nothing of matching.
import { type Lane, Lanes, noKey } from './lanes.ts';
import { Levels } from './levels.ts';
import { askSide, type Orders } from './orders.ts';
import { PriceTrie } from './price-trie.ts';
import { anySize, sizeBit } from './sizes.ts';

/** Above any price in ticks. */
const keys = noKey - 1;

/** Prices as keys: the best of a side has the lowest. Twice applied it gives the price again. */
export function keyOf(side: number, price: number): number {
  return side === askSide ? price : keys - price;
}

export class Resting {
  readonly levels: Levels;
  readonly lanes: Lanes;
  readonly trie: PriceTrie;
  /** GPUs that rest on each side. */
  readonly open: [number, number] = [0, 0];
  /** GPUs of asks, by cluster. */
  clusterOpen = new Float64Array(16);
  private readonly orders: Orders;
  /** Of each account and side: how many orders rest, and a key that none of theirs is below. */
  private own = new Int32Array(64);

  constructor(orders: Orders) {
    this.orders = orders;
    this.levels = new Levels(orders);
    this.lanes = new Lanes(orders);
    this.trie = new PriceTrie(this.levels);
  }

  /** Memory of the levels and what leads to them; that of the orders themselves is in {@link Orders}. */
  get bytes(): number {
    return this.levels.bytes + this.trie.bytes + this.clusterOpen.byteLength + this.own.byteLength;
  }

  laneOf(slot: number): Lane {
    return this.lanes.numbered(this.levels.lane[this.orders.level[slot] as number] as number);
  }

  /** @returns the lane it rests in */
  insert(slot: number): Lane {
    const { levels, orders } = this;
    const side = orders.side[slot] as 0 | 1;
    const open = orders.open[slot] as number;
    const key = keyOf(side, orders.price[slot] as number);
    const lane = this.lanes.of(slot);
    let level = this.trie.find(lane, key);
    if (level < 0) level = this.addLevel(lane, key);
    levels.insert(level, slot);
    levels.count[level] = (levels.count[level] as number) + 1;
    lane.count += 1;
    this.markSize(lane, level, open);
    this.addOpen(slot, side, lane, level, open);
    this.countOwn(orders.account[slot] as number, side, key);
    return lane;
  }

  /** @returns the lane it rested in */
  remove(slot: number): Lane {
    const { levels, orders } = this;
    // First of all what comes from far: these loads then run side by side.
    const open = orders.open[slot] as number;
    const account = orders.account[slot] as number;
    const level = orders.level[slot] as number;
    const lane = this.lanes.numbered(levels.lane[level] as number);
    const side = lane.side as 0 | 1;
    levels.remove(slot);
    const count = (levels.count[level] as number) - 1;
    levels.count[level] = count;
    lane.count -= 1;
    this.addOpen(slot, side, lane, level, -open);
    this.uncountOwn(account, side);
    if (count === 0) this.removeLevel(lane, level);
    return lane;
  }

  /** Changes how much of a resting order is open, in its place. */
  resize(slot: number, open: number): void {
    const { levels, orders } = this;
    const level = orders.level[slot] as number;
    const lane = this.lanes.numbered(levels.lane[level] as number);
    this.addOpen(slot, orders.side[slot] as 0 | 1, lane, level, open - (orders.open[slot] as number));
    orders.open[slot] = open;
    levels.markSize(slot, sizeBit(open));
    this.markSize(lane, level, open);
  }

  /** Whether an account may have an order at a key of a side. */
  mayOwn(account: number, side: number, key: number): boolean {
    const at = account * 4 + side * 2;
    return at < this.own.length && (this.own[at] as number) > 0 && (this.own[at + 1] as number) <= key;
  }

  private addLevel(lane: Lane, key: number): number {
    const level = this.levels.allocate(lane.number, key);
    this.trie.add(lane, key, level);
    if (key < lane.best) this.lanes.setBest(lane, key, level);
    return level;
  }

  private removeLevel(lane: Lane, level: number): void {
    const key = this.levels.key[level] as number;
    this.trie.remove(lane, key);
    this.levels.release(level);
    if (key === lane.best) {
      const next = this.trie.next(lane, key + 1, anySize);
      this.lanes.setBest(lane, next < 0 ? noKey : (this.levels.key[next] as number), next);
    }
    if (lane.count === 0) this.lanes.drop(lane);
  }

  private markSize(lane: Lane, level: number, open: number): void {
    const size = sizeBit(open);
    const sizes = this.levels.sizes[level] as number;
    if ((sizes & size) === size) return;
    this.levels.sizes[level] = sizes | size;
    this.trie.mark(lane, this.levels.key[level] as number, size);
  }

  private addOpen(slot: number, side: 0 | 1, lane: Lane, level: number, more: number): void {
    this.levels.addOpen(level, more);
    lane.open += more;
    this.open[side] += more;
    if (side !== askSide) return;
    const cluster = this.orders.cluster[slot] as number;
    if (cluster >= this.clusterOpen.length) {
      const wider = new Float64Array(cluster * 2);
      wider.set(this.clusterOpen);
      this.clusterOpen = wider;
    }
    this.clusterOpen[cluster] = (this.clusterOpen[cluster] as number) + more;
  }

  private countOwn(account: number, side: 0 | 1, key: number): void {
    const at = account * 4 + side * 2;
    if (at >= this.own.length) {
      const wider = new Int32Array(at * 2 + 4);
      wider.set(this.own);
      this.own = wider;
    }
    const count = this.own[at] as number;
    this.own[at] = count + 1;
    if (count === 0 || key < (this.own[at + 1] as number)) this.own[at + 1] = key;
  }

  private uncountOwn(account: number, side: 0 | 1): void {
    const at = account * 4 + side * 2;
    this.own[at] = (this.own[at] as number) - 1;
  }
}
