// The book by hand-worked cases: allocation, placement, conditions, prices of trades, and what rests afterwards.
import { expect, test } from 'vitest';
import { Book, type BookRules } from '../../../src/broker/engine/book.ts';
import { Orders, rowOf } from '../../../src/broker/engine/orders.ts';

interface Given {
  side: 'bid' | 'ask';
  price: number;
  open: number;
  account?: number;
  duration?: number;
  region?: number;
  score?: number;
  label?: number;
  cluster?: number;
  placement?: 'any' | 'node' | 'cluster';
  minimum?: number;
  allOrNone?: boolean;
}

const rules: BookRules = { allocation: 'price-time', tradePrice: 'midpoint', minShare: 1 };

/** A book whose orders are known by the order in which they came, from 0. */
class Market {
  readonly orders = new Orders();
  readonly book: Book;
  private came = 0;

  constructor(given: Partial<BookRules> = {}) {
    this.book = new Book(this.orders, { ...rules, ...given });
  }

  make(given: Given): number {
    const { orders } = this;
    const slot = orders.allocate();
    const bid = given.side === 'bid';
    orders.side[slot] = bid ? 0 : 1;
    orders.price[slot] = given.price;
    orders.open[slot] = given.open;
    orders.account[slot] = given.account ?? (bid ? 1 : 2);
    orders.duration[slot] = given.duration ?? 24;
    orders.region[slot] = given.region ?? (bid ? 0 : 1);
    orders.score[slot] = given.score ?? (bid ? 0 : 50);
    orders.label[slot] = given.label ?? 0;
    orders.cluster[slot] = given.cluster ?? 1;
    orders.placement[slot] = { any: 0, node: 1, cluster: 2 }[given.placement ?? 'any'];
    orders.minimum[slot] = given.minimum ?? 1;
    orders.allOrNone[slot] = given.allOrNone ? 1 : 0;
    orders.setPriority(slot, this.came++);
    return slot;
  }

  rest(given: Given): number {
    const slot = this.make(given);
    this.book.insert(slot);
    return slot;
  }

  /** Trades and rests; what was filled, as "bid ask quantity", orders by their rows. */
  place(given: Given): string[] {
    const slot = this.make(given);
    this.book.plan(slot);
    const fills = this.fills();
    this.book.execute();
    if ((this.orders.open[slot] as number) > 0) this.book.insert(slot);
    return fills;
  }

  fills(): string[] {
    const { fills } = this.book;
    return Array.from({ length: fills.count }, (_, i) =>
      [rowOf(fills.bid[i] as number), rowOf(fills.ask[i] as number), fills.quantity[i]].join(' '),
    );
  }
}

test('the cheapest level first, the oldest first within, and the rest stays', () => {
  const market = new Market();
  market.place({ side: 'ask', price: 20, open: 4 });
  market.place({ side: 'ask', price: 10, open: 2 });
  market.place({ side: 'ask', price: 10, open: 5 });
  expect(market.place({ side: 'bid', price: 19, open: 6 })).toEqual(['3 1 2', '3 2 4']);
  expect(market.book.depth(1, 9)).toEqual([
    { price: 10, quantity: 1, orders: 1 },
    { price: 20, quantity: 4, orders: 1 },
  ]);
  expect(market.place({ side: 'bid', price: 20, open: 9 })).toEqual(['4 2 1', '4 0 4']);
  expect(market.book.depth(0, 9)).toEqual([{ price: 20, quantity: 4, orders: 1 }]);
  expect(market.book.openQuantity(1)).toBe(0);
  expect([...market.book.slots(0)].map(rowOf)).toEqual([4]);
});

test('pro-rata shares, rounded down, the remainder by time', () => {
  const market = new Market({ allocation: 'pro-rata' });
  for (const open of [5, 20, 50, 75]) market.place({ side: 'ask', price: 10, open });
  expect(market.place({ side: 'bid', price: 10, open: 50 })).toEqual(['4 0 3', '4 1 6', '4 2 16', '4 3 25']);
});
