// Drives the real book and the reference book with the same orders, and fails at the first difference.
import { expect } from 'vitest';
import { Book } from '../../../src/broker/engine/book.ts';
import { type TimeInForce, tick } from '../../../src/broker/engine/order.ts';
import { Orders, placements } from '../../../src/broker/engine/orders.ts';
import {
  isConditional,
  type MatchingRules,
  ReferenceBook,
  type ReferenceFill,
  type ReferenceOrder,
  suits,
} from './reference-book.ts';

/** An order without what the books give it. */
export type OrderTerms = Omit<ReferenceOrder, 'id' | 'priority'>;

/** What an amendment or a change of a node may alter. */
export type OrderChange = Partial<Pick<ReferenceOrder, 'price' | 'open' | 'duration' | 'region' | 'score' | 'label'>>;

export class TwoBooks {
  private readonly orders = new Orders();
  private readonly book: Book;
  private readonly reference: ReferenceBook;
  private readonly slots = new Map<number, number>();
  private readonly ids = new Map<number, number>();
  private lastId = 0;
  private lastPriority = 0;

  constructor(rules: MatchingRules) {
    this.book = new Book(this.orders, rules);
    this.reference = new ReferenceBook(rules);
  }

  /** Ids of what rests, oldest order first. */
  get resting(): readonly number[] {
    return [...this.reference.resting.keys()];
  }

  order(id: number): ReferenceOrder | undefined {
    return this.reference.resting.get(id);
  }

  setRules(rules: MatchingRules): void {
    this.book.setRules(rules);
    this.reference.rules = rules;
  }

  /** Matches an order as its time in force has it, and rests what is left. @returns what it traded, and its id */
  place(terms: OrderTerms, timeInForce: TimeInForce = 'gtc'): { id: number; fills: readonly ReferenceFill[] } {
    const order = this.take(terms);
    return { id: order.id, fills: this.match(order, timeInForce) };
  }

  /** Rests an order without matching it, as while trading is halted. */
  rest(terms: OrderTerms): void {
    this.insert(this.take(terms));
  }

  /** What an order would trade; nothing changes. */
  preview(terms: OrderTerms): void {
    const order = this.take(terms);
    this.plan(order);
    this.release(order.id);
  }

  cancel(id: number): void {
    this.remove(id);
    this.release(id);
  }

  /** A higher price or quantity than before makes it the newest; it is matched in any case, unless trading is halted. */
  change(id: number, change: OrderChange, halted = false): readonly ReferenceFill[] {
    const order = this.remove(id);
    const { price, open } = order;
    Object.assign(order, change);
    if (order.price !== price || order.open > open) order.priority = ++this.lastPriority;
    this.write(order);
    if (!halted) return this.match(order, 'gtc');
    this.insert(order);
    return [];
  }

  /** Changes how much is open where the order rests, without matching it. */
  resize(id: number, open: number): void {
    this.book.resize(this.slotOf(id), open);
    const order = this.order(id);
    if (order) order.open = open;
  }

  /** Offers every order again, the oldest first. */
  matchAll(): void {
    for (const order of [...this.reference.resting.values()].sort((a, b) => a.priority - b.priority)) {
      if (this.reference.resting.has(order.id)) this.match(this.remove(order.id), 'gtc');
    }
  }

  /** Both hold the same, in the same order. `healthy`: and nothing that could trade. */
  check(healthy: boolean): void {
    for (const [index, side] of (['bid', 'ask'] as const).entries()) {
      const resting = this.reference.side(side);
      const code = index as 0 | 1;
      expect([...this.book.slots(code)].map((slot) => this.ids.get(slot))).toEqual(resting.map(({ id }) => id));
      expect(resting.map(({ id }) => this.orders.open[this.slotOf(id)])).toEqual(resting.map(({ open }) => open));
      expect(this.book.openQuantity(code)).toBe(resting.reduce((sum, { open }) => sum + open, 0));
      expect(this.book.depth(code, 1_000).map((level) => ({ ...level }))).toEqual(depthOf(resting));
      expect(this.book.depth(code, 2).map((level) => ({ ...level }))).toEqual(depthOf(resting).slice(0, 2));
    }
    expect(this.orders.count).toBe(this.reference.resting.size);
    if (healthy) expect(this.reference.stuck()).toBeUndefined();
  }

  private take(terms: OrderTerms): ReferenceOrder {
    const order = { ...terms, id: ++this.lastId, priority: ++this.lastPriority };
    const slot = this.orders.allocate();
    this.slots.set(order.id, slot);
    this.ids.set(slot, order.id);
    this.write(order);
    return order;
  }

  private match(order: ReferenceOrder, timeInForce: TimeInForce): readonly ReferenceFill[] {
    const slot = this.slotOf(order.id);
    const expected = this.plan(order);
    const quantity = own(order, expected);
    const done = timeInForce === 'fok' && quantity < order.open ? [] : expected;
    const filled = done.flatMap(({ bid, ask }) => [bid, ask]).filter((id) => id !== order.id);
    if (done.length > 0) {
      this.reference.execute(order, done);
      this.book.execute();
      expect(this.orders.open[slot]).toBe(order.open);
    }
    for (const id of new Set(filled)) if (!this.reference.resting.has(id)) this.release(id);
    if (order.open > 0 && (timeInForce === 'gtc' || timeInForce === 'gtd')) this.insert(order);
    else this.release(order.id);
    return done;
  }

  /** Both plan the same, and twice the same: a plan changes nothing. */
  private plan(order: ReferenceOrder): readonly ReferenceFill[] {
    const fills = this.reference.plan(order);
    const expected = { quantity: own(order, fills), fills: sorted(fills) };
    for (const _ of [1, 2]) {
      expect({ quantity: this.book.plan(this.slotOf(order.id)), fills: sorted(this.fills()) }).toEqual(expected);
    }
    this.checkFills(order, fills);
    return fills;
  }

  /** What holds for every trade whatever the allocation. */
  private checkFills(order: ReferenceOrder, fills: readonly ReferenceFill[]): void {
    const find = (id: number) => (id === order.id ? order : this.reference.resting.get(id)) as ReferenceOrder;
    const byBid = Map.groupBy(fills, ({ bid }) => find(bid));
    for (const [bid, parts] of byBid) {
      const quantity = parts.reduce((sum, part) => sum + part.quantity, 0);
      const asks = parts.map(({ ask }) => find(ask));
      expect(asks.every((ask) => suits(bid, ask))).toBe(true);
      expect(parts.every(({ price }, at) => price <= bid.price * tick && price >= (asks[at]?.price ?? 0) * tick)).toBe(
        true,
      );
      expect(quantity).toBeLessThanOrEqual(bid.open);
      if (isConditional(bid)) expect(quantity).toBeGreaterThanOrEqual(Math.min(bid.minimum, bid.open));
      if (bid.allOrNone || bid.placement !== 'any') expect(quantity).toBe(bid.open);
      if (bid.placement === 'node') expect(parts.length).toBe(1);
      if (bid.placement === 'cluster') expect(new Set(asks.map(({ cluster }) => cluster)).size).toBe(1);
    }
    for (const [ask, parts] of Map.groupBy(fills, (fill) => find(fill.ask))) {
      expect(parts.reduce((sum, part) => sum + part.quantity, 0)).toBeLessThanOrEqual(ask.open);
    }
  }

  private fills(): ReferenceFill[] {
    const { bid, ask, quantity, price, count } = this.book.fills;
    return Array.from({ length: count }, (_, at) => ({
      bid: this.ids.get(bid[at] ?? -1) ?? 0,
      ask: this.ids.get(ask[at] ?? -1) ?? 0,
      quantity: quantity[at] ?? 0,
      price: price[at] ?? 0,
    }));
  }

  private write(order: ReferenceOrder): void {
    const { orders } = this;
    const slot = this.slotOf(order.id);
    orders.side[slot] = order.side === 'bid' ? 0 : 1;
    orders.placement[slot] = placements[order.placement];
    orders.allOrNone[slot] = order.allOrNone ? 1 : 0;
    const columns = ['price', 'open', 'account', 'duration', 'region', 'score', 'label', 'cluster', 'minimum'] as const;
    for (const column of columns) orders[column][slot] = order[column];
    orders.setPriority(slot, order.priority);
  }

  private insert(order: ReferenceOrder): void {
    this.reference.insert(order);
    this.book.insert(this.slotOf(order.id));
    expect(this.book.has(this.slotOf(order.id))).toBe(true);
  }

  private remove(id: number): ReferenceOrder {
    const order = this.reference.resting.get(id);
    if (!order) throw new Error(`order ${id} does not rest`);
    this.reference.remove(id);
    this.book.remove(this.slotOf(id));
    expect(this.book.has(this.slotOf(id))).toBe(false);
    return order;
  }

  private release(id: number): void {
    const slot = this.slotOf(id);
    expect(this.book.has(slot)).toBe(false);
    this.orders.release(slot);
    this.slots.delete(id);
    this.ids.delete(slot);
  }

  private slotOf(id: number): number {
    const slot = this.slots.get(id);
    if (slot === undefined) throw new Error(`order ${id} has no slot`);
    return slot;
  }
}

/** GPUs of the order itself. */
function own({ id, side }: ReferenceOrder, fills: readonly ReferenceFill[]): number {
  return fills.filter((fill) => fill[side] === id).reduce((sum, { quantity }) => sum + quantity, 0);
}

/** In which order a plan names its fills is not part of the rules. */
function sorted(fills: readonly ReferenceFill[]): ReferenceFill[] {
  return fills.toSorted((a, b) => a.bid - b.bid || a.ask - b.ask);
}

function depthOf(orders: readonly ReferenceOrder[]) {
  return [...Map.groupBy(orders, ({ price }) => price)].map(([price, level]) => ({
    price,
    quantity: level.reduce((sum, { open }) => sum + open, 0),
    orders: level.length,
  }));
}
