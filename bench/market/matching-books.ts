// The books that the matching benchmark compares, behind one interface.
import { createRequire } from 'node:module';
import { Book, type BookRules } from '../../src/broker/engine/book.ts';
import { Orders, rowOf } from '../../src/broker/engine/orders.ts';
import type { Commands } from './matching-commands.ts';

export const bookNames = ['gpubroker', 'gpubroker-pro-rata', 'nodejs-order-book', 'hft-limit-order-book'] as const;
export type BookName = (typeof bookNames)[number];

/** GPUs that rest on a side, and the sum of price times GPUs. */
export interface SideTotals {
  readonly quantity: number;
  readonly value: number;
}

export interface MeasuredBook {
  /** Does the command at a place of the columns. */
  do(commands: Commands, at: number): void;
  totals(side: 0 | 1): SideTotals;
  /** Bytes of its typed arrays; undefined for one that consists of objects. */
  bytes(): number | undefined;
  /** Orders that rest, where it can say. */
  resting(): number | undefined;
}

/** @param ids one more than the highest id */
export function openBook(name: BookName, ids: number): MeasuredBook {
  if (name === 'gpubroker') return new OurBook('price-time', ids);
  if (name === 'gpubroker-pro-rata') return new OurBook('pro-rata', ids);
  return new PeerBook(name, ids);
}

/** With all that an order is asked in production: every column is written, and accounts are compared. */
class OurBook implements MeasuredBook {
  private readonly orders = new Orders();
  private readonly book: Book;
  /** Slots by id; -1 for what does not rest. */
  private readonly slots: Int32Array;
  /** Ids by row. */
  private ids = new Int32Array(1024);
  private priority = 0;

  constructor(allocation: BookRules['allocation'], ids: number) {
    this.book = new Book(this.orders, { allocation, tradePrice: 'midpoint', minShare: 1 });
    this.slots = new Int32Array(ids).fill(-1);
  }

  do(commands: Commands, at: number): void {
    const id = commands.id[at] as number;
    if (commands.cancel[at] === 1) this.cancel(id);
    else this.place(id, commands, at);
  }

  totals(side: 0 | 1): SideTotals {
    return totalsOf(this.book.depth(side, Number.POSITIVE_INFINITY).map(({ price, quantity }) => [price, quantity]));
  }

  bytes(): number {
    return this.orders.bytes + this.book.bytes;
  }

  resting(): number {
    return this.orders.count;
  }

  private cancel(id: number): void {
    const slot = this.slots[id] as number;
    if (slot < 0) return;
    this.book.remove(slot);
    this.free(slot, id);
  }

  private place(id: number, commands: Commands, at: number): void {
    const { book, orders } = this;
    const { terms } = commands;
    const slot = orders.allocate();
    const side = commands.side[at] as number;
    orders.side[slot] = side;
    orders.price[slot] = commands.price[at] as number;
    orders.open[slot] = commands.quantity[at] as number;
    // Ten thousand accounts that sell, ten thousand that buy.
    orders.account[slot] = (id % 10_000) * 2 + side;
    orders.duration[slot] = terms.duration[at] as number;
    orders.region[slot] = terms.region[at] as number;
    orders.score[slot] = terms.score[at] as number;
    orders.label[slot] = terms.label[at] as number;
    orders.cluster[slot] = id % 1_000;
    orders.placement[slot] = terms.placement[at] as number;
    orders.minimum[slot] = terms.minimum[at] as number;
    orders.allOrNone[slot] = terms.allOrNone[at] as number;
    orders.setPriority(slot, this.priority++);
    book.plan(slot);
    if (book.fills.count > 0) this.execute(slot);
    if (orders.open[slot] === 0) {
      orders.release(slot);
      return;
    }
    book.insert(slot);
    this.slots[id] = slot;
    this.name(slot, id);
  }

  private execute(taker: number): void {
    const { fills } = this.book;
    const { count } = fills;
    this.book.execute();
    for (let i = 0; i < count; i++) {
      this.endIfFilled(fills.bid[i] as number, taker);
      this.endIfFilled(fills.ask[i] as number, taker);
    }
  }

  private endIfFilled(slot: number, taker: number): void {
    if (slot === taker || this.orders.open[slot] !== 0) return;
    const id = this.ids[rowOf(slot)] as number;
    if (this.slots[id] === slot) this.free(slot, id);
  }

  private free(slot: number, id: number): void {
    this.slots[id] = -1;
    this.orders.release(slot);
  }

  private name(slot: number, id: number): void {
    const row = rowOf(slot);
    if (row >= this.ids.length) {
      const wider = new Int32Array(row * 2);
      wider.set(this.ids);
      this.ids = wider;
    }
    this.ids[row] = id;
  }
}

interface PeerModule {
  readonly OrderBook: new () => {
    limit(order: { side: 'buy' | 'sell'; id: string; size: number; price: number }): { err: unknown };
    cancel(id: string): unknown;
    depth(): [asks: [number, number][], bids: [number, number][]];
  };
}

/** A book of the registry, as its documentation says to use it. */
class PeerBook implements MeasuredBook {
  private readonly book: InstanceType<PeerModule['OrderBook']>;
  /** Made before: a caller has the ids of its orders. */
  private readonly names: string[];

  constructor(name: string, ids: number) {
    const { OrderBook } = createRequire(import.meta.url)(name) as PeerModule;
    this.book = new OrderBook();
    this.names = Array.from({ length: ids }, (_, id) => `order-${id}`);
  }

  do(commands: Commands, at: number): void {
    const id = this.names[commands.id[at] as number] as string;
    if (commands.cancel[at] === 1) {
      this.book.cancel(id);
      return;
    }
    const side = commands.side[at] === 0 ? 'buy' : 'sell';
    const size = commands.quantity[at] as number;
    const { err } = this.book.limit({ side, id, size, price: commands.price[at] as number });
    if (err) throw err;
  }

  totals(side: 0 | 1): SideTotals {
    const [asks, bids] = this.book.depth();
    return totalsOf(side === 0 ? bids : asks);
  }

  bytes(): undefined {
    return undefined;
  }

  resting(): undefined {
    return undefined;
  }
}

function totalsOf(levels: readonly (readonly [number, number])[]): SideTotals {
  const totals = { quantity: 0, value: 0 };
  for (const [price, quantity] of levels) {
    totals.quantity += quantity;
    totals.value += price * quantity;
  }
  return totals;
}
