// The book of one product: what an incoming order trades with, and what rests.
import type { Fills } from './fills.ts';
import { type Lane, laneKinds, noKey } from './lanes.ts';
import { type BookRules, Matching } from './matching.ts';
import { askSide, notResting, type Orders } from './orders.ts';
import { keyOf, Resting } from './resting.ts';
import { anySize } from './sizes.ts';
import { Walk } from './sweep.ts';
import { Waiting } from './waiting.ts';

export type { BookRules } from './matching.ts';

/** A price level. */
export interface BookLevel {
  /** Ticks. */
  readonly price: number;
  readonly quantity: number;
  readonly orders: number;
}

/**
 * An order goes {@link plan} → {@link execute} → {@link insert} of what is left. While it rests its columns are the book's:
 * to change one, take the order out first, or use {@link resize}.
 */
export class Book {
  private readonly orders: Orders;
  private readonly resting: Resting;
  private readonly waiting = new Waiting();
  private readonly matching: Matching;
  /** The order that was planned last, as long as nothing else has happened since; -1 otherwise. */
  private planned = -1;
  /** What it was then: its slot may have become another order's. */
  private plannedPriority = 0;
  private plannedPrice = 0;
  private plannedOpen = 0;

  constructor(orders: Orders, rules: BookRules) {
    this.orders = orders;
    this.resting = new Resting(orders);
    this.matching = new Matching(orders, this.resting, this.waiting, rules);
  }

  /** What the last {@link plan} would trade. */
  get fills(): Fills {
    return this.matching.fills;
  }

  /** Memory of levels and price tries, in bytes. */
  get bytes(): number {
    return this.resting.bytes;
  }

  setRules(rules: BookRules): void {
    this.matching.rules = rules;
  }

  /**
   * What an order that is not in the book would trade now: fills {@link fills} and changes nothing else. An incoming ask can
   * let waiting bids trade with other asks too, so some fills may be between resting orders alone.
   * @returns GPUs of this order
   */
  plan(slot: number): number {
    const { orders } = this;
    this.planned = slot;
    this.plannedPriority = orders.priorityOf(slot);
    this.plannedPrice = orders.price[slot] as number;
    this.plannedOpen = orders.open[slot] as number;
    return this.matching.plan(slot);
  }

  /** Does the last plan: opens fall, and resting orders without any leave the book. Their slots are not released. */
  execute(): void {
    const { fills } = this.matching;
    for (let i = 0; i < fills.count; i++) {
      const quantity = fills.quantity[i] as number;
      this.take(fills.bid[i] as number, quantity);
      this.take(fills.ask[i] as number, quantity);
    }
    fills.count = 0;
    if (this.planned >= 0) this.plannedOpen = this.orders.open[this.planned] as number;
  }

  /** Rests an order with something open at its priority. */
  insert(slot: number): void {
    const matched = this.wasMatched(slot);
    const lane = this.resting.insert(slot);
    if (this.orders.side[slot] === askSide) this.waiting.askRests(this.orders.open[slot] as number, matched);
    else this.waiting.bidRests(slot, lane, matched ? this.matching.lacks : undefined);
    this.planned = -1;
  }

  /** Takes a resting order out; it keeps its slot. */
  remove(slot: number): void {
    this.waiting.forget(slot, this.resting.remove(slot), false);
    this.planned = -1;
  }

  /** Changes how much of a resting order is open, above 0, without matching it; it keeps its place. */
  resize(slot: number, open: number): void {
    const more = open - (this.orders.open[slot] as number);
    const lane = this.resting.laneOf(slot);
    this.resting.resize(slot, open);
    if (this.orders.side[slot] === askSide) {
      if (more > 0) this.waiting.askRests(more, false);
    } else this.settle(slot, lane);
    this.planned = -1;
  }

  /** Whether an order of this product rests. */
  has(slot: number): boolean {
    return this.orders.place[slot] !== notResting;
  }

  /** The best levels of a side. */
  depth(side: 0 | 1, levels: number): BookLevel[] {
    const depth: BookLevel[] = [];
    if (levels <= 0) return depth;
    for (const here of this.levelsOf(side)) {
      let quantity = 0;
      let orders = 0;
      for (const [, level] of here) {
        quantity += this.resting.levels.openOf(level);
        orders += this.resting.levels.count[level] as number;
      }
      const [first] = here;
      const key = first === undefined ? noKey : (this.resting.levels.key[first[1]] as number);
      depth.push({ price: keyOf(side, key), quantity, orders });
      if (depth.length >= levels) break;
    }
    return depth;
  }

  /** GPUs that rest on a side. */
  openQuantity(side: 0 | 1): number {
    return this.resting.open[side];
  }

  /** Resting orders of a side, best price first, oldest first within; the book may not change meanwhile. */
  *slots(side: 0 | 1): Generator<number> {
    const walk = new Walk(this.orders, this.resting.levels);
    for (const here of this.levelsOf(side)) {
      walk.begin(anySize);
      for (const [lane, level] of here) walk.add(lane, level);
      for (let slot = walk.next(); slot >= 0; slot = walk.next()) yield slot;
    }
  }

  /** Whether an order comes from {@link plan} and {@link execute}, so that nothing that rests can trade with it. */
  private wasMatched(slot: number): boolean {
    const { orders } = this;
    return (
      this.planned === slot &&
      this.fills.count === 0 &&
      orders.priorityOf(slot) === this.plannedPriority &&
      orders.price[slot] === this.plannedPrice &&
      orders.open[slot] === this.plannedOpen
    );
  }

  private take(slot: number, quantity: number): void {
    const open = (this.orders.open[slot] as number) - quantity;
    if (!this.has(slot)) this.orders.open[slot] = open;
    else if (open === 0) {
      this.waiting.forget(slot, this.resting.remove(slot), false);
      this.orders.open[slot] = 0;
    } else {
      this.resting.resize(slot, open);
      const lane = this.resting.laneOf(slot);
      // A plain bid stays one when it needs less.
      if (lane.kind !== laneKinds.plain) this.settle(slot, lane);
    }
  }

  /** What a bid lacks has changed: puts it into the lane where it belongs now. */
  private settle(bid: number, lane: Lane): void {
    if (!this.resting.lanes.misplaced(bid, lane)) {
      this.waiting.forget(bid, lane, true);
      return;
    }
    this.waiting.forget(bid, this.resting.remove(bid), false);
    this.waiting.bidRests(bid, this.resting.insert(bid), undefined);
  }

  /** Of each price the levels of the lanes that have it, best price first. */
  private *levelsOf(side: 0 | 1): Generator<[Lane, number][]> {
    const { trie, lanes, levels } = this.resting;
    const at = lanes.sides[side].map((lane) => ({ lane, level: lane.bestLevel, key: lane.best }));
    for (;;) {
      const key = at.reduce((best, each) => Math.min(best, each.key), noKey);
      if (key === noKey) return;
      const here = at.filter((each) => each.key === key);
      yield here.map(({ lane, level }) => [lane, level]);
      for (const each of here) {
        each.level = trie.next(each.lane, key + 1, anySize);
        each.key = each.level < 0 ? noKey : (levels.key[each.level] as number);
      }
    }
  }
}
