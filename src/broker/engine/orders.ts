// The open orders of all products: each a row of 64 bytes, so that one look at memory brings all of it.

/** What a column of {@link Orders} holds for a bid. */
export const bidSide = 0;
/** What a column of {@link Orders} holds for an ask. */
export const askSide = 1;
/** Placements as they stand in {@link Orders.placement}. */
export const placements = { any: 0, node: 1, cluster: 2 } as const;

/** Of {@link Orders.place}: the order rests in no book. */
export const notResting = -1;

/** Words of 32 bits in a row. */
const rowWords = 16;
const rowBits = 4;
const firstCapacity = 1024;

/** The place of a slot's row among the rows, from 0: for arrays of other things about the same orders. */
export function rowOf(slot: number): number {
  return slot >> rowBits;
}

/** The slot of a row. */
export function slotOf(row: number): number {
  return row << rowBits;
}

/**
 * Rows of open orders. A slot is where the row of an order begins, in words; a column begins one word after the one
 * before, so that a slot is its place in every column. Whoever allocates a slot fills all of its columns. The columns are
 * replaced when the rows grow: do not keep one. Strings (accounts, regions, nodes, clusters) are numbered by the caller,
 * from 0, densely.
 */
export class Orders {
  /** Where it rests, in a page and in a level; kept by the book. */
  place!: Int32Array;
  level!: Int32Array;
  /** GPUs that are still to be filled. */
  open!: Int32Array;
  account!: Int32Array;
  /** Of an ask. */
  cluster!: Int32Array;
  /** 0 bid, 1 ask. */
  side!: Int32Array;
  /** Hours: of a bid what it wants, of an ask the longest that it sells. */
  duration!: Int32Array;
  /** Limit, in ticks. */
  price!: Int32Array;
  /** 0 to 100: of an ask its score, of a bid the lowest that it takes. */
  score!: Int32Array;
  /** 0 for none, which only a bid has. */
  region!: Int32Array;
  /** Index into `labels`: of an ask its label, of a bid the lowest that it takes. */
  label!: Int32Array;
  /** Of a bid: 0 any, 1 node, 2 cluster. */
  placement!: Int32Array;
  /** Of a bid: the fewest GPUs that it takes at once; 1 for none. */
  minimum!: Int32Array;
  /** Of a bid: 1 if it takes all of what is open or nothing. */
  allOrNone!: Int32Array;
  private priorities!: Float64Array;

  private used = 0;
  private capacity = firstCapacity;
  private readonly free: number[] = [];

  constructor() {
    this.divide(new ArrayBuffer(firstCapacity * rowWords * 4));
  }

  /** Slots that are allocated. */
  get count(): number {
    return this.used - this.free.length;
  }

  /** Rows that there is room for. */
  get rows(): number {
    return this.capacity;
  }

  /** Memory of the rows. */
  get bytes(): number {
    return this.capacity * rowWords * 4;
  }

  /** Its place in time: a lower one is served first. No two orders have the same. */
  priorityOf(slot: number): number {
    return this.priorities[slot >> 1] as number;
  }

  setPriority(slot: number, priority: number): void {
    this.priorities[slot >> 1] = priority;
  }

  /** A slot for an order, with whatever the columns held before. */
  allocate(): number {
    const freed = this.free.pop();
    if (freed !== undefined) return freed;
    if (this.used === this.capacity) this.grow();
    const slot = slotOf(this.used++);
    this.place[slot] = notResting;
    return slot;
  }

  /** Gives a slot back; its order rests in no book. */
  release(slot: number): void {
    this.place[slot] = notResting;
    this.free.push(slot);
  }

  /** By a quarter: half of doubled rows would stand empty, and a million orders are copied in milliseconds. */
  private grow(): void {
    this.capacity = Math.ceil((this.capacity * 1.25) / 256) * 256;
    const rows = new ArrayBuffer(this.bytes);
    new Int32Array(rows).set(new Int32Array(this.place.buffer));
    this.divide(rows);
  }

  private divide(rows: ArrayBuffer): void {
    // What is looked at whenever an order comes to rest or leaves stands first: rows may lie across lines of the cache.
    this.place = new Int32Array(rows, 0);
    this.level = new Int32Array(rows, 4);
    this.open = new Int32Array(rows, 2 * 4);
    this.account = new Int32Array(rows, 3 * 4);
    this.cluster = new Int32Array(rows, 4 * 4);
    this.side = new Int32Array(rows, 5 * 4);
    this.priorities = new Float64Array(rows, 6 * 4);
    this.duration = new Int32Array(rows, 8 * 4);
    this.price = new Int32Array(rows, 9 * 4);
    this.score = new Int32Array(rows, 10 * 4);
    this.region = new Int32Array(rows, 11 * 4);
    this.label = new Int32Array(rows, 12 * 4);
    this.placement = new Int32Array(rows, 13 * 4);
    this.minimum = new Int32Array(rows, 14 * 4);
    this.allOrNone = new Int32Array(rows, 15 * 4);
  }
}
