// The spot auction: cases worked by hand, and any auction against trying every price.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type AuctionOrder, type Clearing, clear, outbid } from '../../../src/broker/engine/auction.ts';
import { tick } from '../../../src/broker/engine/order.ts';
import { runs } from '../../properties.ts';

interface Named extends AuctionOrder {
  readonly name: string;
}

/** `[ticks, open, account]`, oldest first; named by their place. */
type Terms = readonly [ticks: number, open: number, account?: string];

function side(name: string, terms: readonly Terms[], from = 0): Named[] {
  return terms.map(([ticks, open, accountId = name], index) => {
    return { name: `${name}${index + 1}`, price: ticks * tick, open, accountId, priority: from + index };
  });
}

/** Price in ticks, volume, imbalance, and the matches as text. */
function shown({ price, volume, imbalance, matches }: Clearing<Named>) {
  const paired = matches.map(({ bid, ask, quantity }) => `${bid.name}-${ask.name}:${quantity}`).join(' ');
  return [price === null ? null : price / tick, volume, imbalance, paired];
}

describe('an auction', () => {
  const cases: [string, Terms[], Terms[], number | null, unknown[]][] = [
    ['without orders has no price', [], [], null, [null, 0, 0, '']],
    ['whose sides do not meet has none', [[10, 3]], [[11, 5]], 10, [null, 0, -2, '']],
    ['of bids alone has none', [[10, 3]], [], 10, [null, 0, 3, '']],
    [
      'takes the price with the largest volume',
      [
        [12, 5],
        [11, 5],
        [10, 5],
      ],
      [
        [9, 5],
        [11, 5],
      ],
      null,
      [11, 10, 0, 'b1-a1:5 b2-a2:5'],
    ],
    [
      'of equal volumes takes the least imbalance',
      [
        [20, 4],
        [15, 6],
      ],
      [[10, 4]],
      null,
      [16, 4, 0, 'b1-a1:4'],
    ],
    ['then the price nearest the reference', [[20, 5]], [[10, 5]], 13, [13, 5, 0, 'b1-a1:5']],
    ['whose reference lies above takes the highest', [[20, 5]], [[10, 5]], 99, [20, 5, 0, 'b1-a1:5']],
    ['whose reference lies below takes the lowest', [[20, 5]], [[10, 5]], 1, [10, 5, 0, 'b1-a1:5']],
    ['between two prices as near takes the lower', [[20, 5]], [[10, 5]], 13.5, [13, 5, 0, 'b1-a1:5']],
    ['takes the nearer tick of an odd reference', [[20, 5]], [[10, 5]], 13.6, [14, 5, 0, 'b1-a1:5']],
    ['without a reference takes the lowest', [[20, 5]], [[10, 5]], null, [10, 5, 0, 'b1-a1:5']],
    [
      'at the price serves the oldest of the long side',
      [
        [10, 4],
        [10, 4],
      ],
      [[10, 6]],
      null,
      [10, 6, 2, 'b1-a1:4 b2-a1:2'],
    ],
    [
      'serves the better price before the older',
      [
        [10, 4],
        [11, 4],
      ],
      [[10, 6]],
      null,
      [10, 6, 2, 'b2-a1:4 b1-a1:2'],
    ],
    [
      'serves the cheaper ask before the older',
      [[12, 6]],
      [
        [11, 4],
        [10, 4],
      ],
      null,
      [11, 6, -2, 'b1-a2:4 b1-a1:2'],
    ],
    [
      'lets asks of those who bid sit out',
      [[12, 4, 'x']],
      [
        [10, 4, 'x'],
        [11, 4],
      ],
      null,
      [11, 4, 0, 'b1-a2:4'],
    ],
  ];
  test.each(cases)('%s', (_name, bids, asks, reference, expected) => {
    const cleared = clear(side('b', bids), side('a', asks, 100), reference === null ? null : reference * tick);
    expect(shown(cleared)).toEqual(expected);
  });

  test('says what was bid for and offered, without those that sit out', () => {
    const bids = side('b', [
      [12, 4, 'x'],
      [1, 9],
    ]);
    const asks = side(
      'a',
      [
        [10, 4, 'x'],
        [11, 5],
        [999, 7],
      ],
      100,
    );
    expect(clear(bids, asks, null)).toMatchObject({ bidQuantity: 13, askQuantity: 12 });
  });

  const terms = (account: string) =>
    fc.array(
      fc.tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 9 }), fc.constantFrom(account, 'both')),
      { maxLength: 10 },
    );

  test('is what trying every price finds, and serves by price and time', () => {
    // In halves of a tick: a last price is a midpoint and may be off the tick.
    const reference = fc.option(fc.integer({ min: 0, max: 30 }).map((halves) => (halves * tick) / 2));
    fc.assert(
      fc.property(terms('buyer'), terms('seller'), reference, (bidTerms, askTerms, last) => {
        const bids = side('b', bidTerms);
        const asks = side('a', askTerms, 100);
        const cleared = clear(bids, asks, last);
        const offered = asks.filter((ask) => !bids.some((bid) => bid.accountId === ask.accountId));
        expect([cleared.price, cleared.volume]).toEqual(byTrial(bids, offered, last));
        expectFair(cleared, bids, offered);
      }),
      runs(2_000, 100_000),
    );
  });
});

/** The price and the volume, found by trying every price. */
function byTrial(bids: readonly Named[], asks: readonly Named[], reference: number | null): [number | null, number] {
  const open = (orders: readonly Named[]) => orders.reduce((sum, order) => sum + order.open, 0);
  const trials = Array.from({ length: 14 }, (_, index) => {
    const price = index * tick;
    const demand = open(bids.filter((bid) => bid.price >= price));
    const supply = open(asks.filter((ask) => ask.price <= price));
    const distance = reference === null ? 0 : Math.abs(price - reference);
    return { price, volume: Math.min(demand, supply), imbalance: Math.abs(demand - supply), distance };
  });
  const ranked = trials.sort(
    (a, b) => b.volume - a.volume || a.imbalance - b.imbalance || a.distance - b.distance || a.price - b.price,
  );
  const best = ranked[0];
  return best && best.volume > 0 ? [best.price, best.volume] : [null, 0];
}

/** Nobody trades beyond his limit or his size, and nobody is passed over for a worse or younger order. */
function expectFair(cleared: Clearing<Named>, bids: readonly Named[], asks: readonly Named[]): void {
  const { price, volume, matches } = cleared;
  const filled = new Map<Named, number>();
  for (const { bid, ask, quantity } of matches) {
    expect(quantity).toBeGreaterThan(0);
    expect(bid.price >= (price ?? 0) && ask.price <= (price ?? 0)).toBe(true);
    expect(bid.accountId).not.toBe(ask.accountId);
    for (const order of [bid, ask]) filled.set(order, (filled.get(order) ?? 0) + quantity);
  }
  expect(matches.reduce((sum, { quantity }) => sum + quantity, 0)).toBe(volume);
  expect(new Set(matches.map(({ bid, ask }) => `${bid.name} ${ask.name}`)).size).toBe(matches.length);
  const bought = bids.toSorted((a, b) => b.price - a.price || a.priority - b.priority);
  const sold = asks.toSorted((a, b) => a.price - b.price || a.priority - b.priority);
  for (const orders of [bought, sold]) {
    // Whole orders, at most one in part, then none.
    const shares = orders.map(
      (order) => Math.sign((filled.get(order) ?? 0) - order.open) + Math.sign(filled.get(order) ?? 0),
    );
    expect(shares).toEqual(shares.toSorted((a, b) => b - a));
    expect(shares.filter((share) => share === 0).length).toBeLessThanOrEqual(1);
    for (const order of orders) expect(filled.get(order) ?? 0).toBeLessThanOrEqual(order.open);
  }
}

describe('the outbid', () => {
  /** `[bid in ticks, GPUs, account]`, oldest first. */
  const holdsOf = (terms: Terms[]) =>
    terms.map(([ticks, quantity, accountId = 'holder'], index) => {
      return { bidPrice: ticks * tick, quantity, accountId, number: index + 1 };
    });
  const cases: [string, Terms[], Terms[], number[]][] = [
    [
      'are the cheapest',
      [[12, 2]],
      [
        [10, 2],
        [9, 2],
        [11, 2],
      ],
      [2],
    ],
    [
      'are of equal ones the newest',
      [[12, 3]],
      [
        [9, 2],
        [9, 2],
        [9, 2],
      ],
      [3, 2],
    ],
    [
      'are never those who bid as much',
      [[10, 5]],
      [
        [10, 2],
        [11, 2],
        [9, 1],
      ],
      [3],
    ],
    [
      'are never of the same account',
      [[12, 1, 'holder']],
      [
        [9, 2],
        [10, 2, 'x'],
      ],
      [2],
    ],
    [
      'serve the best bid first, each once',
      [
        [11, 2],
        [12, 2],
      ],
      [
        [10, 2],
        [9, 2],
        [11, 9],
      ],
      [2, 1],
    ],
    ['are none without bids', [], [[9, 2]], []],
    ['are none for a bid that is filled', [[12, 0]], [[9, 2]], []],
    ['may be more than the bid needs', [[12, 1]], [[9, 8]], [1]],
  ];
  test.each(cases)('%s', (_name, bids, holds, expected) => {
    expect(outbid(side('b', bids), holdsOf(holds)).map(({ number }) => number)).toEqual(expected);
  });
});
