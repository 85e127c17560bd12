// The whole state of the market, and what the command in the making has changed of it so far.
import type { EngineEvent } from './events.ts';
import { Holds } from './holds.ts';
import { madeId } from './ids.ts';
import { inOrder, type Node, Nodes, type Offer } from './nodes.ts';
import { OpenOrders } from './open-orders.ts';
import type { Trade } from './order.ts';
import { type Product, Products } from './products.ts';
import { Schedule } from './schedule.ts';
import { isBefore, type Use, Uses } from './uses.ts';
import { Wallets } from './wallets.ts';

/** Why an order is told to have changed. */
export type Cause = Extract<EngineEvent, { type: 'order-changed' }>['cause'];

/** Of several in one command the weightiest is told. */
const weights: Record<Cause, number> = {
  resized: 0,
  priced: 1,
  amended: 2,
  filled: 3,
  cancelled: 4,
  expired: 4,
  rejected: 4,
};

/** Keeps the place of an event. */
const toldLater: EngineEvent = { type: 'revived', accountId: null };

export class Market {
  /** Time of the last command, in milliseconds. */
  now = 0;
  /** Up to when everything that was due is done; `now` runs ahead of it while more is done. */
  caughtUp = 0;
  /** Trades, places in time and ids that were given so far. */
  trades = 0;
  priority = 0;
  ids = 0;
  /** What happened since somebody asked. */
  events: EngineEvent[] = [];
  readonly orders = new OpenOrders();
  readonly products = new Products(this.orders.columns);
  readonly nodes = new Nodes();
  readonly uses = new Uses();
  readonly holds = new Holds();
  readonly wallets = new Wallets((event) => this.events.push(event));
  /** Accounts that may not order, and why; null for everybody. */
  readonly killed = new Map<string | null, string>();
  /** Slots of orders that expire. */
  readonly expiries = new Schedule(
    (one, other) =>
      this.orders.expiryOf(one) < this.orders.expiryOf(other) ||
      (this.orders.expiryOf(one) === this.orders.expiryOf(other) &&
        this.orders.priorityOf(one) < this.orders.priorityOf(other)),
  );
  /** Numbers of nodes whose longest lease becomes shorter. */
  readonly shortenings = new Schedule((one, other) => {
    const a = this.nodes.list[one] as Node;
    const b = this.nodes.list[other] as Node;
    return a.shortensAt < b.shortensAt || (a.shortensAt === b.shortensAt && a.id < b.id);
  });
  /** Numbers of uses whose prices are looked at. */
  readonly checks = new Schedule((one, other) => {
    const a = this.uses.list[one] as Use;
    const b = this.uses.list[other] as Use;
    return a.checkAt < b.checkAt || (a.checkAt === b.checkAt && isBefore(a, b));
  });
  /** Open orders of each account that somebody placed, by the account's number. */
  readonly openOrders = new Map<number, number>();

  /** Offers whose GPUs or prices may have changed. */
  readonly changedOffers = new Set<Offer>();
  readonly changedUses = new Set<Use>();
  /** Slots of orders that are to be matched as if they came in, in this order. */
  readonly incoming = new Set<number>();
  /** What was traded because of the command. */
  readonly made: Trade[] = [];
  private readonly created = new Map<number, number>();
  private readonly touched = new Map<number, Cause>();
  private readonly moved = new Map<number, number>();
  private readonly changedAsks = new Set<Offer>();
  private readonly changedProducts = new Set<Product>();
  private readonly over: number[] = [];

  nextPriority(): number {
    return ++this.priority;
  }

  nextId(at: number): string {
    return madeId(at, ++this.ids);
  }

  productOf(slot: number): Product {
    const home = this.orders.homeOf(slot);
    return this.orders.isBid(slot) ? (this.products.list[home] as Product) : (this.nodes.offers[home] as Offer).product;
  }

  /** An ask's offer. */
  offerOf(ask: number): Offer {
    return this.nodes.offers[this.orders.homeOf(ask)] as Offer;
  }

  /** The order is told before what happens to it, as it is at the end of its command. */
  tellCreated(slot: number): void {
    this.created.set(slot, this.events.length);
    this.events.push(toldLater);
  }

  tellChanged(slot: number, cause: Cause, at: number): void {
    this.orders.setUpdated(slot, at);
    const before = this.touched.get(slot);
    if (before === undefined || weights[cause] >= weights[before]) this.touched.set(slot, cause);
  }

  /** So much more of the account's money is held back for an order, or less where it is negative. */
  move(slot: number, amount: number): void {
    this.moved.set(slot, (this.moved.get(slot) ?? 0) + amount);
  }

  tellStandingAsk(offer: Offer): void {
    this.changedAsks.add(offer);
  }

  tellProduct(product: Product): void {
    this.changedProducts.add(product);
  }

  /** Its slot is given back once everything was told. */
  leave(slot: number): void {
    this.over.push(slot);
  }

  /** Tells what the command has changed. */
  flush(): void {
    const { orders, events } = this;
    for (const [slot, place] of this.created) {
      events[place] = { type: 'order-created', order: orders.imageOf(slot, this.productOf(slot).name) };
    }
    for (const [slot, cause] of this.touched) {
      // What was created just now says so already, except that it is over again.
      if (this.created.has(slot) && weights[cause] < weights.cancelled) continue;
      events.push({ type: 'order-changed', cause, progress: orders.progressOf(slot) });
    }
    for (const [slot, amount] of this.moved) {
      if (amount !== 0) this.wallets.hold(orders.accountOf(slot), amount, { orderId: orders.idOf(slot) });
    }
    for (const { standing, node, product, repricedAt } of inOrder(this.changedAsks)) {
      if (standing < 0) continue;
      const ask = { orderId: orders.idOf(standing), nodeId: node.id, product: product.name, repricedAt };
      events.push({ type: 'standing-ask', ask });
    }
    for (const product of this.changedProducts) {
      events.push({ type: 'product', state: this.products.stateOf(product) });
    }
    for (const slot of this.over) orders.release(slot);
    this.created.clear();
    this.touched.clear();
    this.moved.clear();
    this.changedAsks.clear();
    this.changedProducts.clear();
    this.over.length = 0;
  }
}
