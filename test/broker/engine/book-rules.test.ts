// The rules of matching in cases worked by hand: each is done by the real book and by the reference book.
import { describe, expect, test } from 'vitest';
import type { MatchingRules } from './reference-book.ts';
import { type OrderTerms, TwoBooks } from './two-books.ts';

type Terms = Partial<OrderTerms>;

const neutral = {
  duration: 1,
  region: 0,
  score: 0,
  label: 0,
  node: 0,
  cluster: 0,
  minimum: 1,
  allOrNone: false,
} as const;

/** Of account 1 unless it is said otherwise. */
function bid(open: number, price: number, terms: Terms = {}): OrderTerms {
  return { ...neutral, side: 'bid', placement: 'any', open, price, account: 1, ...terms };
}

/** Of account 2, open for a day, in region 1 and cluster 1. */
function ask(open: number, price: number, terms: Terms = {}): OrderTerms {
  const place = { region: 1, node: 1, cluster: 1, duration: 24, score: 50, label: 2 };
  return { ...neutral, ...place, side: 'ask', placement: 'any', open, price, account: 2, ...terms };
}

const proRata: MatchingRules = { allocation: 'pro-rata', tradePrice: 'midpoint', minShare: 1 };
const priceTime: MatchingRules = { ...proRata, allocation: 'price-time' };

/** What the last order trades after the others have come, as `bid-ask:quantity`; orders are counted from 1. */
function last(rules: MatchingRules, orders: readonly OrderTerms[]): string {
  const books = new TwoBooks(rules);
  let fills = books.place(orders[0] as OrderTerms).fills;
  for (const order of orders.slice(1)) {
    fills = books.place(order).fills;
    books.check(true);
  }
  return fills.map(({ bid, ask, quantity }) => `${bid}-${ask}:${quantity}`).join(' ');
}

type Case = [name: string, orders: OrderTerms[], expected: string];

describe('by price-time', () => {
  const cases: Case[] = [
    ['the cheapest ask is first', [ask(5, 12), ask(5, 10), bid(7, 12)], '3-2:5 3-1:2'],
    ['then the oldest', [ask(5, 10), ask(5, 10), bid(7, 10)], '3-1:5 3-2:2'],
    ['the highest bid is first', [bid(5, 10), bid(5, 12), ask(7, 10)], '2-3:5 1-3:2'],
    ['an ask above the bid is not for it', [ask(5, 11), bid(5, 10)], ''],
    ['a waiting bid has its turn by time', [bid(3, 10), bid(4, 10, { placement: 'node' }), ask(7, 10)], '1-3:3 2-3:4'],
    [
      'and is passed over where too little is left',
      [bid(4, 10), bid(4, 10, { placement: 'node' }), bid(2, 10), ask(7, 10)],
      '1-4:4 3-4:2',
    ],
  ];
  test.each(cases)('%s', (_name, orders, expected) => expect(last(priceTime, orders)).toBe(expected));
});

describe('by pro-rata', () => {
  const cases: Case[] = [
    // 60 for 10 at the better price, then 50 over 150: 1 and 2 by time, 6, 16, 25 (CME, 2005-02-07).
    [
      'the exchange’s own example',
      [ask(10, 9), ask(5, 10), ask(20, 10), ask(50, 10), ask(75, 10), bid(60, 10)],
      '6-1:10 6-2:3 6-3:6 6-4:16 6-5:25',
    ],
    [
      'bids share an ask as asks share a bid',
      [bid(5, 10), bid(20, 10), bid(50, 10), bid(75, 10), ask(50, 10)],
      '1-5:3 2-5:6 3-5:16 4-5:25',
    ],
    ['one who takes all of a level has all', [ask(5, 10), ask(20, 10), bid(25, 10)], '3-1:5 3-2:20'],
    [
      'what is left goes by time, one after the other',
      [ask(1, 10), ask(1, 10), ask(1, 10), ask(9, 10), bid(3, 10)],
      '5-1:1 5-4:2',
    ],
    ['own orders have no share', [ask(50, 10, { account: 1 }), ask(5, 10), ask(5, 10), bid(6, 10)], '4-2:3 4-3:3'],
    [
      'nor have those that do not suit',
      [ask(50, 10, { duration: 1 }), ask(5, 10), ask(5, 10), bid(6, 10, { duration: 2 })],
      '4-2:3 4-3:3',
    ],
    [
      'plain bids are served before waiting ones of their level',
      [bid(4, 10, { placement: 'node' }), bid(4, 10), ask(5, 10)],
      '2-3:4',
    ],
  ];
  test.each(cases)('%s', (_name, orders, expected) => expect(last(proRata, orders)).toBe(expected));

  test('shares below the smallest are none, and go by time', () => {
    const orders = [ask(4, 10), ask(10, 10), ask(86, 10), bid(20, 10)];
    expect(last(proRata, orders)).toBe('4-1:1 4-2:2 4-3:17');
    expect(last({ ...proRata, minShare: 3 }, orders)).toBe('4-1:3 4-3:17');
  });
});

describe('a bid finds', () => {
  const fussy = { duration: 24, region: 1, score: 50, label: 2 };
  const cases: Case[] = [
    ['an ask that is all it asks for', [ask(1, 10), bid(1, 10, fussy)], '2-1:1'],
    ['none that is open too short', [ask(1, 10, { duration: 23 }), bid(1, 10, fussy)], ''],
    ['none elsewhere', [ask(1, 10, { region: 2 }), bid(1, 10, fussy)], ''],
    ['none with too low a score', [ask(1, 10, { score: 49 }), bid(1, 10, fussy)], ''],
    ['none with too low a label', [ask(1, 10, { label: 1 }), bid(1, 10, fussy)], ''],
    ['none of its own account', [ask(1, 10, { account: 1 }), bid(1, 10)], ''],
    [
      'for one node the cheapest that fits whole',
      [ask(3, 10), ask(5, 11), ask(4, 12), bid(4, 12, { placement: 'node' })],
      '4-2:4',
    ],
    ['then the smallest', [ask(6, 10), ask(5, 10), bid(4, 10, { placement: 'node' })], '3-2:4'],
    ['then the oldest', [ask(5, 10), ask(5, 10), bid(4, 10, { placement: 'node' })], '3-1:4'],
    [
      'for one cluster asks of one alone',
      [ask(3, 10), ask(3, 10, { cluster: 2 }), ask(2, 11), bid(5, 11, { placement: 'cluster' })],
      '4-1:3 4-3:2',
    ],
    [
      'the cluster with the smallest sufficient tally',
      [ask(9, 10), ask(6, 10, { cluster: 2 }), bid(5, 10, { placement: 'cluster' })],
      '3-2:5',
    ],
    [
      'of equal ones that with the oldest ask',
      [ask(3, 10, { cluster: 2 }), ask(6, 10), ask(3, 10, { cluster: 2 }), bid(5, 10, { placement: 'cluster' })],
      '4-1:3 4-3:2',
    ],
    [
      'the first cluster that suffices as prices rise',
      [ask(4, 10), ask(5, 11, { cluster: 2 }), ask(1, 12), bid(5, 12, { placement: 'cluster' })],
      '4-2:5',
    ],
    ['all or none', [ask(4, 10), bid(5, 10, { allOrNone: true }), ask(1, 9)], '2-3:1 2-1:4'],
    ['at least its minimum at once', [ask(2, 10), bid(9, 10, { minimum: 3 }), ask(1, 10)], '2-1:2 2-3:1'],
  ];
  test.each(cases)('%s', (_name, orders, expected) => expect(last(priceTime, orders)).toBe(expected));

  test('less than its minimum once that is all it wants still', () => {
    const books = new TwoBooks(priceTime);
    books.place(bid(4, 10, { minimum: 3 }));
    books.place(ask(3, 10));
    expect(books.place(ask(1, 10)).fills).toMatchObject([{ bid: 1, quantity: 1 }]);
  });
});

describe('a waiting bid', () => {
  test('is what an all-or-none bid for one GPU becomes when it is made larger', () => {
    const books = new TwoBooks(priceTime);
    books.rest(bid(1, 10, { allOrNone: true }));
    books.resize(1, 2);
    expect(books.place(ask(1, 10)).fills).toEqual([]);
    expect(books.place(ask(1, 10)).fills).toMatchObject([
      { ask: 2, quantity: 1 },
      { ask: 3, quantity: 1 },
    ]);
  });

  test('does not forget an ask because another one went by that did not come to rest', () => {
    const books = new TwoBooks(priceTime);
    books.place(bid(10, 10, { placement: 'cluster' }));
    books.place(ask(5, 10));
    books.place(ask(5, 10, { cluster: 2 }), 'ioc');
    expect(books.place(ask(5, 10)).fills).toMatchObject([
      { ask: 2, quantity: 5 },
      { ask: 4, quantity: 5 },
    ]);
  });

  test('takes nothing that an older one has taken in the same plan', () => {
    const books = new TwoBooks(priceTime);
    books.place(bid(6, 10, { allOrNone: true }));
    books.place(bid(7, 10, { allOrNone: true }));
    books.place(ask(5, 10));
    // The older has 5 and 1; of the 2 left over and nothing else the younger has too few.
    expect(books.place(ask(3, 10)).fills).toMatchObject([
      { bid: 1, quantity: 5 },
      { bid: 1, quantity: 1 },
    ]);
    books.check(true);
  });
});

describe('the trade price', () => {
  test('is the midpoint, or the maker’s who is the older', () => {
    const price = (rules: MatchingRules, orders: readonly OrderTerms[]) => {
      const books = new TwoBooks(rules);
      return orders.map((order) => books.place(order).fills[0]?.price)[1];
    };
    const maker: MatchingRules = { ...proRata, tradePrice: 'maker' };
    expect(price(proRata, [ask(1, 10), bid(1, 13)])).toBe(1_150);
    expect(price(maker, [ask(1, 10), bid(1, 13)])).toBe(1_000);
    expect(price(maker, [bid(1, 13), ask(1, 10)])).toBe(1_300);
  });
});

describe('what does not rest', () => {
  test('fill or kill is whole or nothing; immediate or cancel takes what there is', () => {
    const books = new TwoBooks(proRata);
    books.place(ask(5, 10));
    expect(books.place(bid(6, 10), 'fok').fills).toEqual([]);
    expect(books.place(bid(5, 10), 'fok').fills).toMatchObject([{ quantity: 5 }]);
    books.place(ask(5, 10));
    expect(books.place(bid(6, 10), 'ioc').fills).toMatchObject([{ quantity: 5 }]);
    expect(books.resting).toEqual([]);
  });
});

describe('an amendment', () => {
  test('that lowers keeps its place, one that raises or reprices loses it', () => {
    const served = (change: { open?: number; price?: number }) => {
      const books = new TwoBooks(priceTime);
      books.place(ask(5, 10));
      books.place(ask(5, 10));
      books.change(1, change);
      books.check(true);
      return books.place(bid(1, 10)).fills[0]?.ask;
    };
    expect(served({ open: 4 })).toBe(1);
    expect(served({ open: 6 })).toBe(2);
    expect(served({ price: 9 })).toBe(1);
    expect(served({ price: 11 })).toBe(2);
  });

  test('is matched as if it came in', () => {
    const books = new TwoBooks(proRata);
    books.place(ask(5, 12));
    books.place(bid(7, 10));
    expect(books.change(2, { price: 12 })).toMatchObject([{ ask: 1, quantity: 5 }]);
    expect(books.order(2)?.open).toBe(2);
  });

  test('of a node’s ask that suits a bid now is matched too', () => {
    const books = new TwoBooks(proRata);
    books.place(bid(2, 10, { score: 60 }));
    books.place(ask(5, 10));
    expect(books.change(2, { score: 60 })).toMatchObject([{ bid: 1, quantity: 2 }]);
  });
});
