// Price levels and the orders in them: each level is a list of pages, each page a few orders in the order of time.
import { notResting, type Orders } from './orders.ts';
import { sizeBit } from './sizes.ts';

/** Words of 32 bits in the row of a level. */
const levelWords = 8;
/** A page is 64 bytes, a line of the processor's cache: four numbers about it, then slots. */
const stride = 16;
const header = 4;
export const pageSlots = stride - header;
const pagePrevious = 0;
const pageNext = 1;
/** How many places were used, in the lowest four bits; above, how many orders are left. */
const pageState = 2;
const stateBits = 4;
const usedMask = (1 << stateBits) - 1;
const oneOrder = 1 << stateBits;
/** At least the size classes of its orders. */
const pageSizes = 3;
/** At a place whose order has left. Those after it stay where they are: to move them would mean to wait for their page. */
const hole = -1;
/** A page that comes down to so many looks at the next one: so seldom, because a look is a miss of the cache. */
const mergeAt = 4;
const mostMerged = (pageSlots * 2) / 3;
const firstCapacity = 64;

/**
 * Levels of one book. A level is where its row begins, in words, and so its place in every column; columns are replaced
 * when the rows grow: do not keep one. A page is where it begins likewise.
 */
export class Levels {
  /** Numbers of lanes. */
  lane!: Int32Array;
  key!: Int32Array;
  head!: Int32Array;
  tail!: Int32Array;
  /** Orders. */
  count!: Int32Array;
  /** At least the size classes of the orders. */
  sizes!: Int32Array;
  /** GPUs. */
  private opens!: Float64Array;

  private readonly orders: Orders;
  private pages = new Int32Array(firstCapacity * stride);
  /** No order's priority was higher: so that the newest is put last without a look at the one before. */
  private newest = Number.NEGATIVE_INFINITY;
  private usedLevels = 0;
  private usedPages = 0;
  private readonly freeLevels: number[] = [];
  private readonly freePages: number[] = [];

  constructor(orders: Orders) {
    this.orders = orders;
    this.divide(new ArrayBuffer(firstCapacity * levelWords * 4));
  }

  get bytes(): number {
    return this.lane.byteLength + this.pages.byteLength;
  }

  allocate(lane: number, key: number): number {
    const level = this.freeLevels.pop() ?? levelWords * this.usedLevels++;
    if (level === this.lane.length) this.growLevels();
    const page = this.allocatePage(level, -1, -1);
    this.lane[level] = lane;
    this.key[level] = key;
    this.head[level] = page;
    this.tail[level] = page;
    this.count[level] = 0;
    this.sizes[level] = 0;
    this.opens[level >> 1] = 0;
    return level;
  }

  /** Of a level without orders. */
  release(level: number): void {
    this.freePages.push(this.head[level] as number);
    this.freeLevels.push(level);
  }

  /** GPUs. */
  openOf(level: number): number {
    return this.opens[level >> 1] as number;
  }

  addOpen(level: number, more: number): void {
    this.opens[level >> 1] = (this.opens[level >> 1] as number) + more;
  }

  /** The first page of a level that may hold one of the sizes, from `page` on; -1 for none. */
  pageFrom(page: number, sizes: number): number {
    const { pages } = this;
    let at = page;
    while (at >= 0 && ((pages[at + pageSizes] as number) & sizes) === 0) at = pages[at + pageNext] as number;
    return at;
  }

  next(page: number): number {
    return this.pages[page + pageNext] as number;
  }

  /** Places of a page that were used. */
  usedOf(page: number): number {
    return (this.pages[page + pageState] as number) & usedMask;
  }

  /** The order at a place of a page; negative for one that has left. */
  slotAt(page: number, index: number): number {
    return this.pages[page + header + index] as number;
  }

  /** The first place of a page, from `index` on, with an order; at least {@link usedOf} for none. */
  placeFrom(page: number, index: number): number {
    const used = this.usedOf(page);
    let at = index;
    while (at < used && this.slotAt(page, at) < 0) at++;
    return at;
  }

  /** Corrects which sizes the page has, after a look at all of its orders. */
  tightenPage(page: number, found: number): void {
    this.pages[page + pageSizes] = found;
  }

  /** Says that a resting order has this size now. */
  markSize(slot: number, size: number): void {
    const at = pageOf(this.orders.place[slot] as number) + pageSizes;
    this.pages[at] = (this.pages[at] as number) | size;
  }

  /** Puts an order into a level, at its priority. The caller keeps count, sizes and open of the level. */
  insert(level: number, slot: number): void {
    const priority = this.orders.priorityOf(slot);
    let page = this.tail[level] as number;
    this.orders.level[slot] = level;
    if (this.newest > priority) {
      this.insertBetween(level, slot, priority);
      return;
    }
    // The newest comes last: all but a few end here.
    this.newest = priority;
    if (this.usedOf(page) === pageSlots) page = this.allocatePage(level, page, -1);
    this.append(page, slot);
  }

  /** Takes an order out of its level; the caller keeps count and open of the level. */
  remove(slot: number): void {
    const { orders, pages } = this;
    const place = orders.place[slot] as number;
    orders.place[slot] = notResting;
    pages[place] = hole;
    const page = pageOf(place);
    const state = (pages[page + pageState] as number) - oneOrder;
    pages[page + pageState] = state;
    const count = state >> stateBits;
    if (count === 0) this.empty(orders.level[slot] as number, page);
    else if (count === mergeAt) this.merge(orders.level[slot] as number, page);
  }

  private append(page: number, slot: number): void {
    const { pages } = this;
    const state = pages[page + pageState] as number;
    const place = page + header + (state & usedMask);
    pages[place] = slot;
    pages[page + pageState] = state + oneOrder + 1;
    pages[page + pageSizes] = (pages[page + pageSizes] as number) | sizeBit(this.orders.open[slot] as number);
    this.orders.place[slot] = place;
  }

  private insertBetween(level: number, slot: number, priority: number): void {
    let page = this.tail[level] as number;
    while (!this.beginsBefore(page, priority)) {
      const previous = this.pages[page + pagePrevious] as number;
      if (previous < 0) break;
      page = previous;
    }
    const slots = this.take(page);
    const index = slots.findLastIndex((other) => this.orders.priorityOf(other) < priority) + 1;
    slots.splice(index, 0, slot);
    const half = slots.length > pageSlots ? slots.length >> 1 : slots.length;
    const next = half < slots.length ? this.allocatePage(level, page, this.next(page)) : page;
    for (const [at, each] of slots.entries()) this.append(at < half ? page : next, each);
  }

  /** Whether an order of the page is older. */
  private beginsBefore(page: number, priority: number): boolean {
    const first = this.placeFrom(page, 0);
    return first < this.usedOf(page) && this.orders.priorityOf(this.slotAt(page, first)) < priority;
  }

  /** Empties a page. @returns its orders */
  private take(page: number): number[] {
    const slots: number[] = [];
    const used = this.usedOf(page);
    for (let at = 0; at < used; at++) if (this.slotAt(page, at) >= 0) slots.push(this.slotAt(page, at));
    this.pages[page + pageState] = 0;
    this.pages[page + pageSizes] = 0;
    return slots;
  }

  /** Moves what the next page holds to a page where there is little left. */
  private merge(level: number, page: number): void {
    const next = this.next(page);
    if (next < 0 || (this.pages[next + pageState] as number) >> stateBits > mostMerged - mergeAt) return;
    const slots = this.take(page);
    slots.push(...this.take(next));
    for (const slot of slots) this.append(page, slot);
    this.empty(level, next);
  }

  /** A page without orders goes, unless it is the only one. */
  private empty(level: number, page: number): void {
    const { pages } = this;
    const previous = pages[page + pagePrevious] as number;
    const next = pages[page + pageNext] as number;
    pages[page + pageState] = 0;
    pages[page + pageSizes] = 0;
    if (previous < 0 && next < 0) return;
    if (previous >= 0) pages[previous + pageNext] = next;
    else this.head[level] = next;
    if (next >= 0) pages[next + pagePrevious] = previous;
    else this.tail[level] = previous;
    this.freePages.push(page);
  }

  private allocatePage(level: number, previous: number, next: number): number {
    const page = this.freePages.pop() ?? stride * this.usedPages++;
    if (page === this.pages.length) this.growPages();
    const { pages } = this;
    pages[page + pagePrevious] = previous;
    pages[page + pageNext] = next;
    pages[page + pageState] = 0;
    pages[page + pageSizes] = 0;
    if (previous >= 0) pages[previous + pageNext] = page;
    if (next >= 0) pages[next + pagePrevious] = page;
    else this.tail[level] = page;
    return page;
  }

  private growPages(): void {
    const pages = new Int32Array(quarterMore(this.pages.length));
    pages.set(this.pages);
    this.pages = pages;
  }

  private growLevels(): void {
    const rows = new ArrayBuffer(quarterMore(this.lane.length) * 4);
    new Int32Array(rows).set(this.lane);
    this.divide(rows);
  }

  private divide(rows: ArrayBuffer): void {
    this.lane = new Int32Array(rows);
    this.key = new Int32Array(rows, 4);
    this.head = new Int32Array(rows, 2 * 4);
    this.tail = new Int32Array(rows, 3 * 4);
    this.count = new Int32Array(rows, 4 * 4);
    this.sizes = new Int32Array(rows, 5 * 4);
    this.opens = new Float64Array(rows, 6 * 4);
  }
}

/** The page of a place. */
function pageOf(place: number): number {
  return place & -stride;
}

/** Words for a quarter more rows, in whole rows. */
function quarterMore(words: number): number {
  return Math.ceil((words * 1.25) / stride) * stride;
}
