// The engine as a whole: orders, money, GPUs and what happens by itself, case by case.
import { beforeEach, describe, expect, test } from 'vitest';
import { createEngine } from '../../../src/broker/engine/engine.ts';
import {
  account,
  askOf,
  bidOf,
  conductor,
  dollar,
  gpu,
  node,
  order,
  pricingOf,
  product,
  supplyOf,
} from './market-fixture.ts';

let market: ReturnType<typeof conductor>;

/** Account 1 sells node 1 with four GPUs for 2 USD; account 2 has 1,000 USD. */
beforeEach(() => {
  market = conductor(createEngine());
  market.do({ kind: 'supply', node: supplyOf(1, 1, 4) });
  market.do({ kind: 'set-pricing', pricing: pricingOf(1, 2 * dollar) });
  market.fund(2, 1000 * dollar);
});

const depth = () => market.engine.depth(product, 10);

describe('an order', () => {
  test('trades with the standing ask of a node at the midpoint, and holds its GPUs', () => {
    const { order: placed, trades } = market.place(bidOf(1, 2, 3, 3 * dollar, { durationHours: 10 }));
    expect(placed).toMatchObject({ status: 'filled', filled: 3, open: 0, escrow: 0 });
    expect(trades).toMatchObject([
      { quantity: 3, price: 2.5 * dollar, gpuIds: [gpu(1, 0), gpu(1, 1), gpu(1, 2)], escrow: 75 * dollar, number: 1 },
    ]);
    expect(depth().asks).toEqual([{ price: 2 * dollar, quantity: 1, orders: 1 }]);
    expect(market.engine.wallet(account(2))).toEqual({ available: 925 * dollar, escrow: 75 * dollar });
    expect(market.engine.product(product).lastPrice).toBe(2.5 * dollar);
  });

  test('rests with its money held back, and gives it back when it is cancelled', () => {
    const { order: placed } = market.place(bidOf(1, 2, 2, 1 * dollar, { durationHours: 5 }));
    expect(placed).toMatchObject({ status: 'pending', open: 2, escrow: 10 * dollar });
    expect(market.engine.wallet(account(2))).toEqual({ available: 990 * dollar, escrow: 10 * dollar });
    const cancel = { kind: 'cancel', orderId: order(1), reason: 'user' } as const;
    expect(market.refused({ ...cancel, accountId: account(3) })).toBe('GPUB_NOT_FOUND');
    const { order: cancelled } = market.do({ ...cancel, accountId: account(2) });
    expect(cancelled).toMatchObject({ status: 'cancelled', open: 0, escrow: 0, reason: 'user' });
    expect(market.engine.wallet(account(2))).toEqual({ available: 1000 * dollar, escrow: 0 });
    expect(market.engine.order(order(1))).toBeUndefined();
  });

  test('of more than the account can pay is refused and changes nothing', () => {
    const before = market.engine.stateHash();
    const place = { kind: 'place', order: bidOf(1, 2, 4, 300 * dollar) } as const;
    expect(market.refused(place)).toBe('GPUB_INSUFFICIENT_FUNDS');
    expect(market.engine.stateHash()).toBe(before);
  });

  test('to sell takes GPUs from the standing ask', () => {
    market.place(askOf(1, 1, 1, 3, 5 * dollar));
    expect(depth().asks).toEqual([
      { price: 2 * dollar, quantity: 1, orders: 1 },
      { price: 5 * dollar, quantity: 3, orders: 1 },
    ]);
    expect(market.refused({ kind: 'place', order: askOf(2, 1, 1, 2, dollar) })).toBe('GPUB_NOT_SELLABLE');
    expect(market.refused({ kind: 'place', order: askOf(2, 2, 1, 1, dollar) })).toBe('GPUB_NOT_SELLABLE');
  });

  test('is told once, before its trades, with its end', () => {
    market.engine.takeEvents();
    market.place(bidOf(1, 2, 5, 3 * dollar, { timeInForce: 'ioc' }));
    const events = market.engine.takeEvents();
    expect(events.map(({ type }) => type)).toEqual([
      'order-created',
      'trade',
      'order-changed',
      'order-changed',
      'transfer',
      'product',
    ]);
    expect(events[0]).toMatchObject({ order: { status: 'cancelled', filled: 4, reason: 'immediate-or-cancel' } });
    expect(events[4]).toMatchObject({ transfer: { amount: 10 * dollar, reason: 'escrow', orderId: order(1) } });
  });
});

describe('the supply of a node', () => {
  test('shrinks the standing ask, and the newest other asks', () => {
    market.place(askOf(1, 1, 1, 1, 5 * dollar));
    market.place(askOf(2, 1, 1, 2, 6 * dollar));
    market.do({ kind: 'supply', node: supplyOf(1, 1, 4, (_, index) => ({ sellable: index < 2 })) });
    expect(market.engine.order(order(2))).toMatchObject({ open: 1, quantity: 1, reason: 'supply' });
    market.do({ kind: 'supply', node: supplyOf(1, 1, 4, (_, index) => ({ sellable: index < 1 })) });
    expect(market.engine.order(order(2))).toBeUndefined();
    expect(depth().asks).toEqual([{ price: 5 * dollar, quantity: 1, orders: 1 }]);
    expect(market.engine.supply(node(1))?.gpus).toHaveLength(4);
  });
});
