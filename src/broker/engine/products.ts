// The products that are traded: their rules, whether they trade, and their books.
import { Book } from './book.ts';
import type { ProductState } from './events.ts';
import { defaultRules, type ProductRules } from './order.ts';
import type { Orders } from './orders.ts';

/** Stands for all products where all of them are halted. */
export const allProducts = '*';

export interface Product {
  readonly name: string;
  /** Its place in {@link Products.list}. */
  readonly number: number;
  rules: ProductRules;
  haltReason: string | null;
  lastPrice: number | null;
  /** The last auction that was cleared, in milliseconds; it only matters while time is caught up with. */
  clearedAt: number;
  readonly book: Book;
  /** Slots of orders that wait for the auction; they are not in the book. */
  readonly interruptibleBids: Set<number>;
  readonly interruptibleAsks: Set<number>;
}

export class Products {
  /** By number. */
  readonly list: Product[] = [];
  private readonly byName = new Map<string, Product>();
  private readonly orders: Orders;

  constructor(orders: Orders) {
    this.orders = orders;
  }

  find(name: string): Product | undefined {
    return this.byName.get(name);
  }

  /** Makes it with its default rules where it is new. */
  of(name: string): Product {
    const known = this.byName.get(name);
    if (known) return known;
    const rules = defaultRules(name);
    const product: Product = {
      name,
      number: this.list.length,
      rules,
      haltReason: null,
      lastPrice: null,
      clearedAt: 0,
      book: new Book(this.orders, rules),
      interruptibleBids: new Set(),
      interruptibleAsks: new Set(),
    };
    this.list.push(product);
    this.byName.set(name, product);
    return product;
  }

  /** Why a product does not trade now; null if it does. */
  haltOf(product: Product): string | null {
    return product.haltReason ?? this.byName.get(allProducts)?.haltReason ?? null;
  }

  /** What is kept of it. */
  stateOf({ name, rules, haltReason, lastPrice }: Product): ProductState {
    return { product: name, rules, haltReason, lastPrice };
  }
}

/** Whether a product is as it was made: then nothing of it is part of the state. */
export function isUntouched({ name, rules, haltReason, lastPrice }: Product): boolean {
  return haltReason === null && lastPrice === null && JSON.stringify(rules) === JSON.stringify(defaultRules(name));
}

/** When a product's next auction is cleared: after `now`; undefined where there are none. */
export function nextAuction({ rules }: Product, now: number): number | undefined {
  const interval = rules.auctionIntervalS * 1000;
  return interval === 0 ? undefined : (Math.floor(now / interval) + 1) * interval;
}
