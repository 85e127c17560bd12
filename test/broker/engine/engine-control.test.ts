// Who may do what in the engine: amendments, bands, halts, the kill switch, limits, and what an order must say.
import { beforeEach, describe, expect, test } from 'vitest';
import { createEngine } from '../../../src/broker/engine/engine.ts';
import { defaultRules, type NewOrder } from '../../../src/broker/engine/order.ts';
import {
  account,
  askOf,
  bidOf,
  conductor,
  dollar,
  id,
  node,
  order,
  pricingOf,
  product,
  supplyOf,
} from './market-fixture.ts';

let market: ReturnType<typeof conductor>;

beforeEach(() => {
  market = conductor(createEngine());
  market.do({ kind: 'supply', node: supplyOf(1, 1, 4) });
  market.do({ kind: 'set-pricing', pricing: pricingOf(1, 2 * dollar) });
  market.fund(2, 1000 * dollar);
  market.fund(3, 1000 * dollar);
});

const asks = () => market.engine.depth(product, 10).asks;

describe('an amendment', () => {
  const amend = (quantity: number | null, price: number | null) =>
    ({ kind: 'amend', orderId: order(1), accountId: account(2), quantity, price }) as const;

  test('moves money both ways, and keeps the place in time only for less', () => {
    const { order: placed } = market.place(bidOf(1, 2, 4, dollar));
    const lower = market.do(amend(3, null)).order;
    expect(lower).toMatchObject({ quantity: 3, open: 3, escrow: 3 * dollar, priority: placed.priority });
    const higher = market.do(amend(null, 1.5 * dollar)).order;
    expect(higher).toMatchObject({ open: 3, escrow: 4.5 * dollar });
    expect(higher?.priority).toBeGreaterThan(placed.priority);
    expect(market.engine.wallet(account(2))).toEqual({ available: 995.5 * dollar, escrow: 4.5 * dollar });
    expect(market.refused(amend(800, null))).toBe('GPUB_INSUFFICIENT_FUNDS');
  });

  test('is matched as if the order came in', () => {
    market.place(bidOf(1, 2, 6, dollar));
    const { order: amended, trades } = market.do(amend(null, 2 * dollar));
    expect(amended).toMatchObject({ status: 'partial', filled: 4, open: 2 });
    expect(trades).toHaveLength(1);
    expect(market.refused(amend(4, null))).toBe('GPUB_INVALID');
    expect(market.do(amend(5, null)).order).toMatchObject({ open: 1, quantity: 5 });
  });

  test('of an ask stays within what the node has', () => {
    market.place(askOf(9, 1, 1, 2, 5 * dollar));
    const raise = { kind: 'amend', orderId: order(9), accountId: account(1), price: null } as const;
    expect(market.refused({ ...raise, quantity: 5 })).toBe('GPUB_NOT_SELLABLE');
    market.do({ ...raise, quantity: 4 });
    expect(asks()).toEqual([{ price: 5 * dollar, quantity: 4, orders: 1 }]);
    market.do({ ...raise, quantity: 1 });
    expect(asks()).toMatchObject([{ quantity: 3 }, { quantity: 1 }]);
  });

  test('and cancelling are not for standing asks', () => {
    const [standing] = [...market.engine.records()].flatMap((record) =>
      record.type === 'order' ? [record.order] : [],
    );
    const orderId = standing?.id ?? '';
    expect(standing).toMatchObject({ standing: true, status: 'pending', nodeId: node(1) });
    expect(market.refused({ kind: 'cancel', orderId, accountId: account(1), reason: '' })).toBe('GPUB_STANDING_ORDER');
    expect(market.refused({ kind: 'amend', orderId, accountId: null, quantity: 1, price: null })).toBe(
      'GPUB_STANDING_ORDER',
    );
  });
});

describe('a product', () => {
  test('that is halted takes cancels alone, and trades what crosses once it is resumed', () => {
    market.place(bidOf(1, 2, 2, dollar));
    market.do({ kind: 'halt', product, reason: 'a fire' });
    expect(market.engine.product(product).haltReason).toBe('a fire');
    expect(market.refused({ kind: 'place', order: bidOf(2, 2, 1, dollar) })).toBe('GPUB_MARKET_HALTED');
    const amend = { kind: 'amend', orderId: order(1), accountId: null, quantity: 1, price: null } as const;
    expect(market.refused(amend)).toBe('GPUB_MARKET_HALTED');
    market.do({ kind: 'set-pricing', pricing: pricingOf(1, dollar) });
    expect(market.engine.order(order(1))).toMatchObject({ filled: 0 });
    expect(market.do({ kind: 'resume', product }).trades).toMatchObject([{ quantity: 2, price: dollar }]);
    expect(market.engine.order(order(1))).toBeUndefined();
  });

  test('is halted with all others, also before anybody knows it', () => {
    market.do({ kind: 'halt', product: null, reason: 'a fire' });
    const unknown = bidOf(1, 2, 1, dollar, { product: 'NEW' });
    expect(market.refused({ kind: 'place', order: unknown })).toBe('GPUB_MARKET_HALTED');
    expect(market.refused({ kind: 'resume', product })).toBe('GPUB_MARKET_HALTED');
    expect(market.engine.products().map(({ haltReason }) => haltReason)).toEqual(['a fire']);
    market.do({ kind: 'resume', product: null });
    market.place(unknown);
    expect(market.engine.product('NEW').haltReason).toBeNull();
  });

  test('has a band about the last price', () => {
    market.do({ kind: 'set-rules', product, rules: { ...defaultRules(product), bandBps: 1000 } });
    market.place(bidOf(1, 2, 1, 2 * dollar));
    const { refusal } = market.engine.apply({ kind: 'place', order: bidOf(2, 2, 1, 1.79 * dollar) }, market.now);
    expect(refusal).toMatchObject({ code: 'GPUB_PRICE_BAND', allowed: 'USD from 1.80 to 2.20' });
    market.place(bidOf(3, 2, 1, 1.8 * dollar));
  });

  test('sells no GPU with a lower label than its own', () => {
    market.do({ kind: 'set-rules', product, rules: { ...defaultRules(product), minLabel: 'challenge-verified' } });
    expect(asks()).toEqual([]);
    market.do({ kind: 'set-rules', product, rules: defaultRules(product) });
    expect(asks()).toMatchObject([{ quantity: 4 }]);
    const often = { ...defaultRules(product), auctionIntervalS: 30 };
    expect(market.refused({ kind: 'set-rules', product, rules: often })).toBe('GPUB_INVALID');
  });
});

describe('the kill switch', () => {
  test('cancels what an account has and takes nothing more from it', () => {
    market.place(bidOf(1, 2, 1, dollar));
    market.place(bidOf(2, 2, 1, dollar, { interruptible: true }));
    market.place(bidOf(3, 3, 1, dollar));
    const kill = { kind: 'kill', accountId: account(2), reason: 'a test' } as const;
    expect(market.do(kill)).toEqual({ cancelled: 2 });
    expect(market.engine.wallet(account(2))).toEqual({ available: 1000 * dollar, escrow: 0 });
    expect(market.engine.killedReason(account(2))).toBe('a test');
    expect(market.refused({ kind: 'place', order: bidOf(4, 2, 1, dollar) })).toBe('GPUB_ACCOUNT_STOPPED');
    market.do({ kind: 'revive', accountId: account(2) });
    market.place(bidOf(4, 2, 1, dollar));
  });

  test('for everybody leaves the standing asks', () => {
    market.place(bidOf(1, 2, 1, dollar));
    market.place(askOf(2, 1, 1, 1, 3 * dollar));
    expect(market.do({ kind: 'kill', accountId: null, reason: 'a test' })).toEqual({ cancelled: 2 });
    expect(asks()).toMatchObject([{ quantity: 4 }]);
    expect(market.refused({ kind: 'place', order: bidOf(3, 3, 1, dollar) })).toBe('GPUB_ACCOUNT_STOPPED');
  });
});

describe('the pricing of a node', () => {
  test('withholds GPUs by number or by name', () => {
    market.do({ kind: 'set-pricing', pricing: pricingOf(1, 2 * dollar, { withheld: 3 }) });
    expect(asks()).toMatchObject([{ quantity: 1 }]);
    market.do({ kind: 'set-pricing', pricing: pricingOf(1, 2 * dollar, { withheld: [id(4, 100), id(4, 102)] }) });
    expect(asks()).toMatchObject([{ quantity: 2 }]);
  });

  test('is followed by the standing ask, to its end', () => {
    market.do({ kind: 'remove-pricing', nodeId: node(1) });
    expect(asks()).toEqual([]);
    expect(market.engine.pricing(node(1))).toBeUndefined();
    expect(market.engine.openOrders('ask')).toBe(0);
    const dear = pricingOf(1, 20_000 * dollar);
    expect(market.refused({ kind: 'set-pricing', pricing: dear })).toBe('GPUB_INVALID');
    const long = pricingOf(1, dollar, { maxDurationHours: 9000 });
    expect(market.refused({ kind: 'set-pricing', pricing: long })).toBe('GPUB_INVALID');
  });

  test('goes to the new owner of a node with a new ask', () => {
    market.place(askOf(1, 1, 1, 1, 3 * dollar));
    market.do({ kind: 'supply', node: supplyOf(1, 3, 4) });
    expect(asks()).toEqual([{ price: 2 * dollar, quantity: 4, orders: 1 }]);
    expect(market.place(bidOf(2, 3, 1, 2 * dollar, { timeInForce: 'ioc' })).trades).toEqual([]);
    expect(market.place(bidOf(3, 2, 1, 2 * dollar)).trades).toMatchObject([{ sellerAccountId: account(3) }]);
  });

  test('is quoted with what is there', () => {
    const wanted = { product, quantity: 5, durationHours: 1, region: 'eu', accountId: account(2) };
    expect(market.engine.quote(wanted)).toEqual([{ price: 2 * dollar, quantity: 4 }]);
    expect(market.engine.quote({ ...wanted, region: 'mars' })).toEqual([]);
    expect(market.engine.quote({ ...wanted, accountId: account(1) })).toEqual([]);
    expect(market.engine.quote({ ...wanted, product: 'NEW' })).toEqual([]);
  });
});

describe('money', () => {
  test('leaves only where it is', () => {
    const withdraw = { kind: 'withdraw', id: id(9, 9), accountId: account(2), reference: '' } as const;
    expect(market.refused({ ...withdraw, amount: 1001 * dollar })).toBe('GPUB_INSUFFICIENT_FUNDS');
    expect(market.refused({ ...withdraw, amount: 0 })).toBe('GPUB_INVALID');
    expect(market.do({ ...withdraw, amount: 400 * dollar })).toEqual({ available: 600 * dollar });
    const deposit = { kind: 'deposit', id: id(9, 8), accountId: account(2), reference: '' } as const;
    expect(market.refused({ ...deposit, amount: 2 ** 53 })).toBe('GPUB_INVALID');
  });
});

describe('an order', () => {
  test.each<[string, Partial<NewOrder>]>([
    ['GPUB_INVALID', { id: 'mine' }],
    ['GPUB_INVALID', { product: '*' }],
    ['GPUB_INVALID', { quantity: 0 }],
    ['GPUB_INVALID', { quantity: 10_001 }],
    ['GPUB_INVALID', { price: 150 }],
    ['GPUB_INVALID', { durationHours: 8761 }],
    ['GPUB_INVALID', { timeInForce: 'gtd' }],
    ['GPUB_INVALID', { expiresAt: 1 }],
    ['GPUB_INVALID', { minQuantity: 3 }],
    ['GPUB_INVALID', { minScore: 101 }],
    ['GPUB_INVALID', { nodeId: node(1) }],
    ['GPUB_ORDER_TOO_LARGE', { quantity: 10_000, price: 10_000 * dollar, durationHours: 8760 }],
  ])('is refused with %s for %j', (code, terms) => {
    expect(market.refused({ kind: 'place', order: bidOf(1, 2, 2, dollar, terms) })).toBe(code);
  });

  test.each<Partial<NewOrder>>([
    { nodeId: null },
    { allOrNone: true },
    { minQuantity: 2 },
    { placement: 'node' },
    { region: 'eu' },
    { minScore: 1 },
    { minLabel: 'measured' },
  ])('to sell is refused with %j', (terms) => {
    expect(market.refused({ kind: 'place', order: askOf(1, 1, 1, 2, dollar, terms) })).toBe('GPUB_INVALID');
  });

  test('has an id of its own', () => {
    market.place(bidOf(1, 2, 1, dollar));
    expect(market.refused({ kind: 'place', order: bidOf(1, 3, 1, dollar) })).toBe('GPUB_CONFLICT');
  });
});
