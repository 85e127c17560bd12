// The open orders of all products, as a struct of arrays: a slot is the place of one order in every array.

/** What an array of {@link Orders} holds for a bid. */
export const bidSide = 0;
/** What an array of {@link Orders} holds for an ask. */
export const askSide = 1;
/** Placements as they stand in {@link Orders.placement}. */
export const placements = { any: 0, node: 1, cluster: 2 } as const;

/** Of {@link Orders.page}: the order rests in no book. */
export const notResting = -1;

const firstCapacity = 1024;
/** Five columns of bytes, three of 16 bits, six of 32, and the priority. */
const bytesPerOrder = 5 + 3 * 2 + 6 * 4 + 8;

/**
 * Columns of open orders. Whoever allocates a slot fills all of its columns. The arrays are replaced when they grow: do not
 * keep one. Strings (accounts, regions, nodes, clusters) are numbered by the caller, from 0, densely.
 */
export class Orders {
  /** 0 bid, 1 ask. */
  side = new Uint8Array(firstCapacity);
  /** Limit, in ticks. */
  price = new Int32Array(firstCapacity);
  /** GPUs that are still to be filled; `mostGpus` and `longestHours` fit into 16 bits. */
  open = new Uint16Array(firstCapacity);
  account = new Int32Array(firstCapacity);
  /** Hours: of a bid what it wants, of an ask the longest that it sells. */
  duration = new Uint16Array(firstCapacity);
  /** 0 for none, which only a bid has. */
  region = new Int32Array(firstCapacity);
  /** Of an ask its score, of a bid the lowest that it takes; 0 to 100. */
  score = new Uint8Array(firstCapacity);
  /** Index into `labels`: of an ask its label, of a bid the lowest that it takes. */
  label = new Uint8Array(firstCapacity);
  /** Of an ask. */
  node = new Int32Array(firstCapacity);
  /** Of an ask. */
  cluster = new Int32Array(firstCapacity);
  /** Of a bid: 0 any, 1 node, 2 cluster. */
  placement = new Uint8Array(firstCapacity);
  /** Of a bid: the fewest GPUs that it takes at once; 1 for none. */
  minimum = new Uint16Array(firstCapacity);
  /** Of a bid: 1 if it takes all of what is open or nothing. */
  allOrNone = new Uint8Array(firstCapacity);
  /** Its place in time: a lower one is served first. No two orders have the same. */
  priority = new Float64Array(firstCapacity);
  /** Where it rests; kept by the book. */
  page = new Int32Array(firstCapacity).fill(notResting);

  private used = 0;
  private capacity = firstCapacity;
  private readonly free: number[] = [];

  /** Slots that are allocated. */
  get count(): number {
    return this.used - this.free.length;
  }

  /** Memory of the columns. */
  get bytes(): number {
    return this.capacity * bytesPerOrder;
  }

  /** A slot for an order, with whatever the columns held before. */
  allocate(): number {
    const freed = this.free.pop();
    if (freed !== undefined) return freed;
    if (this.used === this.capacity) this.grow();
    return this.used++;
  }

  /** Gives a slot back; its order rests in no book. */
  release(slot: number): void {
    this.page[slot] = notResting;
    this.free.push(slot);
  }

  /** By a quarter: half of doubled arrays would stand empty, and a million orders are copied in milliseconds. */
  private grow(): void {
    this.capacity = Math.ceil((this.capacity * 1.25) / 256) * 256;
    const { capacity } = this;
    this.side = copy(this.side, new Uint8Array(capacity));
    this.price = copy(this.price, new Int32Array(capacity));
    this.open = copy(this.open, new Uint16Array(capacity));
    this.account = copy(this.account, new Int32Array(capacity));
    this.duration = copy(this.duration, new Uint16Array(capacity));
    this.region = copy(this.region, new Int32Array(capacity));
    this.score = copy(this.score, new Uint8Array(capacity));
    this.label = copy(this.label, new Uint8Array(capacity));
    this.node = copy(this.node, new Int32Array(capacity));
    this.cluster = copy(this.cluster, new Int32Array(capacity));
    this.placement = copy(this.placement, new Uint8Array(capacity));
    this.minimum = copy(this.minimum, new Uint16Array(capacity));
    this.allOrNone = copy(this.allOrNone, new Uint8Array(capacity));
    this.priority = copy(this.priority, new Float64Array(capacity));
    this.page = copy(this.page, new Int32Array(capacity).fill(notResting));
  }
}

function copy<T extends Uint8Array | Uint16Array | Int32Array | Float64Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
