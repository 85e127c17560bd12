// The book does what the reference book does: for any script of orders, changes and cancellations, after every command.
import fc from 'fast-check';
import { describe, test } from 'vitest';
import type { TimeInForce } from '../../../src/broker/engine/order.ts';
import { runs } from '../../properties.ts';
import type { MatchingRules } from './reference-book.ts';
import { type OrderChange, type OrderTerms, TwoBooks } from './two-books.ts';

type Step =
  | { readonly do: 'place'; readonly terms: OrderTerms; readonly timeInForce: TimeInForce }
  | { readonly do: 'preview'; readonly terms: OrderTerms }
  | { readonly do: 'resize'; readonly which: number; readonly open: number }
  | { readonly do: 'cancel'; readonly which: number }
  | { readonly do: 'amend'; readonly which: number; readonly change: OrderChange }
  | { readonly do: 'node'; readonly which: number; readonly change: OrderChange }
  | { readonly do: 'rules'; readonly rules: MatchingRules }
  | { readonly do: 'halt' }
  | { readonly do: 'resume' };

/** Few values of everything, so that orders meet. */
const price = fc.integer({ min: 1, max: 6 });
const open = fc.oneof({ weight: 4, arbitrary: fc.integer({ min: 1, max: 9 }) }, fc.integer({ min: 10, max: 40 }));
const account = fc.integer({ min: 1, max: 4 });
const duration = fc.constantFrom(1, 2, 24, 25, 720);
const region = fc.integer({ min: 1, max: 2 });
const score = fc.constantFrom(0, 49, 50, 51, 100);
const label = fc.integer({ min: 0, max: 3 });

const ask: fc.Arbitrary<OrderTerms> = fc
  .record({ price, open, account, duration, score, label, node: fc.integer({ min: 1, max: 6 }) })
  .map((terms) => {
    const cluster = 1 + (terms.node % 3);
    const region = 1 + (cluster % 2);
    return { ...terms, side: 'ask', cluster, region, placement: 'any', minimum: 1, allOrNone: false };
  });

/** `weight`: of what wants nothing special against one that does. */
const seldom = <Value>(weight: number, usual: Value, other: fc.Arbitrary<Value>) =>
  fc.oneof({ weight, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: other });

const bid: fc.Arbitrary<OrderTerms> = fc
  .record({
    price,
    open,
    account,
    duration: seldom(3, 1, duration),
    region: seldom(4, 0, region),
    score: seldom(4, 0, score),
    label: seldom(4, 0, label),
    placement: fc.constantFrom('any', 'any', 'any', 'node', 'cluster'),
    minimum: seldom(5, 1, fc.integer({ min: 1, max: 12 })),
    allOrNone: seldom(6, false, fc.constant(true)),
  })
  .map((terms) => ({ ...terms, side: 'bid', node: 0, cluster: 0 }));

const rules: fc.Arbitrary<MatchingRules> = fc.record({
  allocation: fc.constantFrom('pro-rata', 'price-time'),
  tradePrice: fc.constantFrom('midpoint', 'maker'),
  minShare: fc.constantFrom(1, 1, 2, 5),
});

const which = fc.nat(1_000);
const place = (terms: fc.Arbitrary<OrderTerms>): fc.Arbitrary<Step> =>
  fc.record({
    do: fc.constant('place'),
    terms,
    timeInForce: fc.constantFrom<TimeInForce>('gtc', 'gtc', 'gtc', 'gtc', 'gtd', 'ioc', 'fok'),
  });
const amendment: fc.Arbitrary<OrderChange> = fc.oneof(
  fc.record({ price }),
  fc.record({ open }),
  fc.record({ price, open }),
);
/** As the supply of a node changes its asks. */
const nodeChange: fc.Arbitrary<OrderChange> = fc.record({ open, duration, region, score, label }, { requiredKeys: [] });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: place(ask) },
  { weight: 8, arbitrary: place(bid) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('preview'), terms: fc.oneof(ask, bid) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('cancel'), which }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('amend'), which, change: amendment }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('node'), which, change: nodeChange }) },
);
const withHalts: fc.Arbitrary<Step> = fc.oneof(
  { weight: 30, arbitrary: step },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('rules'), rules }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('resize'), which, open }) },
  { weight: 1, arbitrary: fc.constant<Step>({ do: 'halt' }) },
  { weight: 2, arbitrary: fc.constant<Step>({ do: 'resume' }) },
);

const longest = 500;
const script = (steps: fc.Arbitrary<Step>) => fc.array(steps, { maxLength: longest, size: 'max' });

function follow(first: MatchingRules, steps: readonly Step[]): void {
  const books = new TwoBooks(first);
  let halted = false;
  const pick = (number: number, kind: 'any' | 'ask') => {
    const ids = books.resting.filter((id) => kind === 'any' || books.order(id)?.side === kind);
    return ids[number % ids.length];
  };
  for (const next of steps) {
    if (next.do === 'place') {
      if (halted) books.rest(next.terms);
      else books.place(next.terms, next.timeInForce);
    } else if (next.do === 'preview') {
      books.preview(next.terms);
    } else if (next.do === 'rules') {
      books.setRules(next.rules);
    } else if (next.do === 'halt' || next.do === 'resume') {
      halted = next.do === 'halt';
      if (!halted) books.matchAll();
    } else {
      const id = pick(next.which, next.do === 'node' ? 'ask' : 'any');
      if (id === undefined) continue;
      if (next.do === 'cancel') books.cancel(id);
      else if (next.do === 'resize') {
        if (halted) books.resize(id, next.open);
      } else books.change(id, next.change, halted);
    }
    books.check(!halted);
  }
}

describe('the book does what the reference does', () => {
  const matchings = (['pro-rata', 'price-time'] as const).flatMap((allocation) =>
    (['midpoint', 'maker'] as const).map((tradePrice) => ({ allocation, tradePrice })),
  );
  test.each(matchings)(
    'by $allocation at the $tradePrice price',
    ({ allocation, tradePrice }) => {
      fc.assert(
        fc.property(fc.constantFrom(1, 2, 5), script(step), (minShare, steps) =>
          follow({ allocation, tradePrice, minShare }, steps),
        ),
        runs(25, 1_500),
      );
    },
    1_800_000,
  );

  test('through halts and changes of the rules', () => {
    fc.assert(fc.property(rules, script(withHalts), follow), runs(25, 1_500));
  }, 1_800_000);

  test('with durations, scores and prices of all kinds', () => {
    const kinds = fc.record({
      price: fc.integer({ min: 1, max: 100_000_000 }),
      duration: fc.integer({ min: 1, max: 8_760 }),
      score: fc.integer({ min: 0, max: 100 }),
    });
    const wide = fc.tuple(step, kinds, fc.boolean()).map(([next, kind, far]): Step => {
      if (next.do !== 'place') return next;
      const { price, ...others } = kind;
      return { ...next, terms: { ...next.terms, ...others, price: far ? price : next.terms.price } };
    });
    fc.assert(fc.property(rules, script(wide), follow), runs(25, 1_500));
  }, 1_800_000);

  test('with one price and few accounts, so that levels are long', () => {
    const narrow = step.map(
      (next): Step =>
        next.do === 'place'
          ? { ...next, terms: { ...next.terms, price: 3, account: 1 + (next.terms.account % 2) } }
          : next,
    );
    fc.assert(fc.property(rules, script(narrow), follow), runs(25, 1_500));
  }, 1_800_000);
});
