// Price levels and the orders in them: each level is a list of pages, each page a few orders in the order of time.
import { notResting, type Orders } from './orders.ts';
import { sizeBit } from './sizes.ts';

/** A page is 64 bytes, a line of the processor's cache: four numbers about it, then slots. */
const stride = 16;
const header = 4;
export const pageSlots = stride - header;
const pageLevel = 0;
const pagePrevious = 1;
const pageNext = 2;
/** How many slots, in the lowest four bits; above, at least the size classes of their orders. */
const pageState = 3;
const countBits = 4;
const countMask = (1 << countBits) - 1;
/** A page that comes down to fewer looks at the next one: so seldom, because a look is a miss of the cache. */
const mergeAt = 5;
const firstCapacity = 64;

/** Levels of one book. The arrays are replaced when they grow: do not keep one. */
export class Levels {
  /** Numbers of lanes. */
  lane = new Int32Array(firstCapacity);
  key = new Int32Array(firstCapacity);
  head = new Int32Array(firstCapacity);
  tail = new Int32Array(firstCapacity);
  /** Orders. */
  count = new Int32Array(firstCapacity);
  /** At least the size classes of the orders. */
  sizes = new Int32Array(firstCapacity);
  /** GPUs. */
  open = new Float64Array(firstCapacity);
  /** No order's priority is higher: so that the newest is put last without a look at the one before. */
  private newest = new Float64Array(firstCapacity);

  private readonly orders: Orders;
  private pages = new Int32Array(firstCapacity * stride);
  private usedLevels = 0;
  private usedPages = 0;
  private readonly freeLevels: number[] = [];
  private readonly freePages: number[] = [];

  constructor(orders: Orders) {
    this.orders = orders;
  }

  get bytes(): number {
    return this.lane.length * (6 * 4 + 2 * 8) + this.pages.byteLength;
  }

  allocate(lane: number, key: number): number {
    const level = this.freeLevels.pop() ?? this.usedLevels++;
    if (level === this.lane.length) this.grow();
    const page = this.allocatePage(level, -1, -1);
    this.lane[level] = lane;
    this.key[level] = key;
    this.head[level] = page;
    this.tail[level] = page;
    this.count[level] = 0;
    this.sizes[level] = 0;
    this.open[level] = 0;
    this.newest[level] = Number.NEGATIVE_INFINITY;
    return level;
  }

  /** Of a level without orders. */
  release(level: number): void {
    this.freePages.push(this.head[level] as number);
    this.freeLevels.push(level);
  }

  /** The first page of a level that may hold one of the sizes, from `page` on; -1 for none. */
  pageFrom(page: number, sizes: number): number {
    const { pages } = this;
    let at = page;
    while (at >= 0) {
      const state = pages[at * stride + pageState] as number;
      if (((state >> countBits) & sizes) !== 0) return at;
      at = pages[at * stride + pageNext] as number;
    }
    return -1;
  }

  next(page: number): number {
    return this.pages[page * stride + pageNext] as number;
  }

  countOf(page: number): number {
    return (this.pages[page * stride + pageState] as number) & countMask;
  }

  slotAt(page: number, index: number): number {
    return this.pages[page * stride + header + index] as number;
  }

  levelOf(page: number): number {
    return this.pages[page * stride + pageLevel] as number;
  }

  /** Corrects which of the sizes the page has, after a look at all of its orders. */
  tightenPage(page: number, sizes: number, found: number): void {
    const at = page * stride + pageState;
    this.pages[at] = (this.pages[at] as number) & ~((sizes & ~found) << countBits);
  }

  /** Says that an order of the page has this size now. */
  markPage(page: number, size: number): void {
    const at = page * stride + pageState;
    this.pages[at] = (this.pages[at] as number) | (size << countBits);
  }

  /** Puts an order into a level, at its priority. The caller keeps count, sizes and open of the level. */
  insert(level: number, slot: number): void {
    const { orders } = this;
    const priority = orders.priority[slot] as number;
    let page = this.tail[level] as number;
    let count = this.countOf(page);
    // The newest comes last: all but a few inserts end here.
    if ((this.newest[level] as number) < priority) {
      this.newest[level] = priority;
      if (count === pageSlots) {
        page = this.allocatePage(level, page, -1);
        count = 0;
      }
      this.putAt(page, count, count, slot);
      return;
    }
    while ((orders.priority[this.slotAt(page, 0)] as number) > priority) {
      const previous = this.pages[page * stride + pagePrevious] as number;
      if (previous < 0) break;
      page = previous;
    }
    if (this.countOf(page) === pageSlots) page = this.split(page, priority);
    count = this.countOf(page);
    let index = count;
    while (index > 0 && (orders.priority[this.slotAt(page, index - 1)] as number) > priority) index--;
    this.putAt(page, index, count, slot);
  }

  /** Takes an order out of its level; the caller keeps count and open of the level. */
  remove(slot: number): void {
    const { pages } = this;
    const page = this.orders.page[slot] as number;
    this.orders.page[slot] = notResting;
    const base = page * stride;
    const first = base + header;
    const state = pages[base + pageState] as number;
    const count = state & countMask;
    let at = first;
    while (pages[at] !== slot) at++;
    for (const last = first + count - 1; at < last; at++) pages[at] = pages[at + 1] as number;
    pages[base + pageState] = count === 1 ? 0 : state - 1;
    const next = pages[base + pageNext] as number;
    const previous = pages[base + pagePrevious] as number;
    if (count === 1) {
      if (previous >= 0 || next >= 0) this.unlink(page, previous, next);
    } else if (count === mergeAt && next >= 0 && count - 1 + this.countOf(next) <= (pageSlots * 2) / 3) {
      this.merge(page, next);
    }
  }

  private putAt(page: number, index: number, count: number, slot: number): void {
    const { pages } = this;
    const base = page * stride;
    for (let at = base + header + count; at > base + header + index; at--) pages[at] = pages[at - 1] as number;
    pages[base + header + index] = slot;
    const size = sizeBit(this.orders.open[slot] as number);
    pages[base + pageState] = ((pages[base + pageState] as number) + 1) | (size << countBits);
    this.orders.page[slot] = page;
  }

  /** Halves a full page. @returns the half that the priority belongs to */
  private split(page: number, priority: number): number {
    const half = pageSlots / 2;
    const next = this.allocatePage(this.levelOf(page), page, this.next(page));
    const { pages } = this;
    const sizes = (pages[page * stride + pageState] as number) & ~countMask;
    for (let i = 0; i < half; i++) {
      const slot = this.slotAt(page, half + i);
      pages[next * stride + header + i] = slot;
      this.orders.page[slot] = next;
    }
    pages[page * stride + pageState] = sizes | half;
    pages[next * stride + pageState] = sizes | half;
    return (this.orders.priority[this.slotAt(next, 0)] as number) < priority ? next : page;
  }

  /** Moves what the next page holds to this one. */
  private merge(page: number, next: number): void {
    const { pages } = this;
    const from = next * stride;
    const to = page * stride;
    const count = (pages[to + pageState] as number) & countMask;
    const more = (pages[from + pageState] as number) & countMask;
    for (let i = 0; i < more; i++) {
      const slot = pages[from + header + i] as number;
      pages[to + header + count + i] = slot;
      this.orders.page[slot] = page;
    }
    const sizes = ((pages[to + pageState] as number) | (pages[from + pageState] as number)) & ~countMask;
    pages[to + pageState] = sizes | (count + more);
    this.unlink(next, page, pages[from + pageNext] as number);
  }

  private unlink(page: number, previous: number, next: number): void {
    const { pages } = this;
    const level = this.levelOf(page);
    if (previous >= 0) pages[previous * stride + pageNext] = next;
    else this.head[level] = next;
    if (next >= 0) pages[next * stride + pagePrevious] = previous;
    else this.tail[level] = previous;
    this.freePages.push(page);
  }

  private allocatePage(level: number, previous: number, next: number): number {
    const page = this.freePages.pop() ?? this.usedPages++;
    if ((page + 1) * stride > this.pages.length) {
      const pages = new Int32Array(Math.ceil((this.pages.length * 1.25) / stride) * stride);
      pages.set(this.pages);
      this.pages = pages;
    }
    const { pages } = this;
    pages[page * stride + pageLevel] = level;
    pages[page * stride + pagePrevious] = previous;
    pages[page * stride + pageNext] = next;
    pages[page * stride + pageState] = 0;
    if (previous >= 0) pages[previous * stride + pageNext] = page;
    if (next >= 0) pages[next * stride + pagePrevious] = page;
    else this.tail[level] = page;
    return page;
  }

  private grow(): void {
    const capacity = Math.ceil(this.lane.length * 1.25);
    const wider = (from: Int32Array): Int32Array<ArrayBuffer> => {
      const to = new Int32Array(capacity);
      to.set(from);
      return to;
    };
    this.lane = wider(this.lane);
    this.key = wider(this.key);
    this.head = wider(this.head);
    this.tail = wider(this.tail);
    this.count = wider(this.count);
    this.sizes = wider(this.sizes);
    const wider64 = (from: Float64Array): Float64Array<ArrayBuffer> => {
      const to = new Float64Array(capacity);
      to.set(from);
      return to;
    };
    this.open = wider64(this.open);
    this.newest = wider64(this.newest);
  }
}
