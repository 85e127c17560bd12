// What happens by itself in the engine: expiry, the end of holds, surge prices, shorter leases, and payments till then.
import { beforeEach, describe, expect, test } from 'vitest';
import { createEngine } from '../../../src/broker/engine/engine.ts';
import { defaultRules } from '../../../src/broker/engine/order.ts';
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

const minute = 60_000;
let market: ReturnType<typeof conductor>;

beforeEach(() => {
  market = conductor(createEngine());
  market.do({ kind: 'supply', node: supplyOf(1, 1, 4) });
  market.fund(2, 1000 * dollar);
});

const asks = () => market.engine.depth(product, 10).asks;
const tick = () => market.do({ kind: 'tick' });

describe('time', () => {
  test('ends orders at their own moment, however late it is told', () => {
    const expiresAt = market.now + 10 * minute;
    market.place(bidOf(1, 2, 1, dollar, { timeInForce: 'gtd', expiresAt }));
    expect(market.engine.nextDeadline()).toBe(expiresAt);
    market.engine.takeEvents();
    market.waitHours(1);
    tick();
    const [changed, transfer] = market.engine.takeEvents();
    expect(changed).toMatchObject({ cause: 'expired', progress: { status: 'expired', at: expiresAt, escrow: 0 } });
    expect(transfer).toMatchObject({ transfer: { reason: 'release', amount: dollar } });
    expect(market.engine.nextDeadline()).toBeNull();
  });

  test('gives back GPUs and money when a hold ends, and sells the GPUs again', () => {
    market.do({ kind: 'set-pricing', pricing: pricingOf(1, 2 * dollar) });
    const { trades } = market.place(bidOf(1, 2, 4, 2 * dollar));
    expect(asks()).toEqual([]);
    const waiting = market.place(bidOf(2, 2, 1, 2 * dollar, { durationHours: 3 }));
    expect(waiting.order.status).toBe('pending');
    const tradeId = trades[0]?.id ?? '';
    expect(market.do({ kind: 'settle', tradeId, seconds: 1800 })).toEqual({ captured: 4 * dollar });
    expect(market.do({ kind: 'settle', tradeId, seconds: 1800 })).toEqual({ captured: 4 * dollar });
    expect(market.engine.wallet(account(1))).toEqual({ available: 4 * dollar, escrow: 0 });
    expect(market.engine.trade(tradeId)).toMatchObject({ captured: 4 * dollar, escrow: 4 * dollar });
    market.waitHours(1);
    tick();
    expect(market.engine.trade(tradeId)).toBeUndefined();
    expect(market.engine.order(order(2))).toBeUndefined();
    expect(asks()).toEqual([{ price: 2 * dollar, quantity: 3, orders: 1 }]);
    expect(market.engine.wallet(account(2))).toEqual({ available: 990 * dollar, escrow: 6 * dollar });
    expect(market.refused({ kind: 'settle', tradeId, seconds: 3600 })).toBe('GPUB_NOT_FOUND');
    expect(market.refused({ kind: 'end-hold', tradeId, reason: '' })).toBe('GPUB_NOT_FOUND');
  });

  test('moves a surge price at most once a minute, with what is leased', () => {
    market.do({ kind: 'set-pricing', pricing: pricingOf(1, 2 * dollar, { surge: true }) });
    market.place(bidOf(1, 2, 2, 2 * dollar));
    // Half is leased: 2 × (1 + 2 × ¼) = 3 USD, a minute after the price was set.
    expect(asks()).toMatchObject([{ price: 2 * dollar, quantity: 2 }]);
    expect(market.engine.uses()).toMatchObject([{ leased: 2, sellableOrLeased: 4, region: 'eu' }]);
    const due = market.engine.nextDeadline() ?? 0;
    expect(due - market.now).toBe(minute);
    market.wait(minute);
    tick();
    expect(asks()).toMatchObject([{ price: 3 * dollar, quantity: 2 }]);
    expect(market.engine.offers(product)).toMatchObject([
      { price: 3 * dollar, basePrice: 2 * dollar, surge: true, open: 2 },
    ]);
    market.waitHours(2);
    tick();
    expect(asks()).toMatchObject([{ price: 2 * dollar, quantity: 4 }]);
  });

  test('makes leases shorter where a node is there for a while only', () => {
    const availableUntil = market.now + 2.5 * 60 * minute;
    market.do({ kind: 'set-pricing', pricing: pricingOf(1, 2 * dollar, { availableUntil }) });
    expect(market.place(bidOf(1, 2, 1, 2 * dollar, { durationHours: 3, timeInForce: 'ioc' })).trades).toEqual([]);
    expect(market.place(bidOf(2, 2, 1, 2 * dollar, { durationHours: 2, timeInForce: 'ioc' })).trades).toHaveLength(1);
    market.wait(31 * minute);
    expect(market.place(bidOf(3, 2, 1, 2 * dollar, { durationHours: 2, timeInForce: 'ioc' })).trades).toEqual([]);
    market.waitHours(1);
    tick();
    expect(asks()).toEqual([]);
    expect(market.engine.offers()).toMatchObject([{ nodeId: node(1), open: 0 }]);
  });

  test('never runs backwards', () => {
    market.wait(-1);
    expect(tick).toThrow('time runs backwards');
  });
});

/** Auctions are at multiples of 15 minutes; the market starts a minute after one. */
describe('an auction', () => {
  const interruptible = { interruptible: true, durationHours: 10 } as const;
  const toClearing = () => market.wait(15 * minute - (market.now % (15 * minute)));

  beforeEach(() => {
    market.do({ kind: 'set-pricing', pricing: pricingOf(1, 2 * dollar) });
    market.fund(3, 1000 * dollar);
  });

  test('clears at one price, the lowest where nothing was traded before, with the asks of the book', () => {
    market.place(bidOf(1, 2, 3, 4 * dollar, interruptible));
    market.place(bidOf(2, 3, 3, 3 * dollar, interruptible));
    expect(market.engine.depth(product, 1).bids).toEqual([]);
    expect(market.engine.auctions(market.now)).toMatchObject([
      { phase: 'open', indicativePrice: 2 * dollar, indicativeVolume: 4, bidQuantity: 6, askQuantity: 4 },
    ]);
    market.engine.takeEvents();
    toClearing();
    tick();
    const events = market.engine.takeEvents();
    const trades = events.flatMap((event) => (event.type === 'trade' ? [event.trade] : []));
    expect(trades).toMatchObject([
      {
        bidOrderId: order(1),
        quantity: 3,
        price: 2 * dollar,
        bidPrice: 4 * dollar,
        interruptible: true,
        durationHours: 10,
      },
      { bidOrderId: order(2), quantity: 1, price: 2 * dollar },
    ]);
    const [auction] = events.filter(({ type }) => type === 'auction');
    expect(auction).toMatchObject({ auction: { price: 2 * dollar, volume: 4, imbalance: 2, clearedAt: market.now } });
    expect(trades[0]?.auctionId).toBe(auction?.type === 'auction' && auction.auction.id);
    expect(market.engine.order(order(2))).toMatchObject({ open: 2, escrow: 60 * dollar });
    expect(market.engine.wallet(account(3))).toEqual({ available: 920 * dollar, escrow: 80 * dollar });
  });

  test('gives notice to leases that are outbid, once, and sells their GPUs in the next one', () => {
    market.place(bidOf(1, 2, 4, 2 * dollar, interruptible));
    toClearing();
    tick();
    market.place(bidOf(2, 3, 2, 3 * dollar, interruptible));
    toClearing();
    market.engine.takeEvents();
    tick();
    const [notice] = market.engine.takeEvents();
    const reclaimAt = market.now + 2 * minute;
    expect(notice).toMatchObject({ type: 'trade-changed', cause: 'notice', trade: { reclaimAt, endsAt: reclaimAt } });
    market.wait(2 * minute);
    tick();
    const [ended] = market.engine.takeEvents();
    expect(ended).toMatchObject({ cause: 'ended', trade: { endReason: 'outbid', endedAt: reclaimAt } });
    toClearing();
    tick();
    expect(market.engine.order(order(2))).toBeUndefined();
    expect(market.engine.offers()).toMatchObject([{ open: 2 }]);
  });

  test('lets bids only rise before it is cleared', () => {
    market.place(bidOf(1, 2, 2, dollar, interruptible));
    const cancel = { kind: 'cancel', orderId: order(1), accountId: account(2), reason: 'user' } as const;
    const amend = { kind: 'amend', orderId: order(1), accountId: account(2) } as const;
    toClearing();
    market.wait(-2 * minute);
    expect(market.engine.auctions(market.now)).toMatchObject([{ phase: 'no-cancel' }]);
    expect(market.refused(cancel)).toBe('GPUB_AUCTION_NO_CANCEL');
    expect(market.refused({ ...amend, quantity: 1, price: null })).toBe('GPUB_AUCTION_NO_CANCEL');
    expect(market.refused({ ...amend, quantity: null, price: dollar / 2 })).toBe('GPUB_AUCTION_NO_CANCEL');
    expect(market.do({ ...amend, quantity: 3, price: 1.5 * dollar }).order).toMatchObject({
      open: 3,
      escrow: 45 * dollar,
    });
    market.wait(2 * minute);
    expect(market.do(cancel).order).toMatchObject({ status: 'cancelled' });
  });

  test('has interruptible asks, and none while the product is halted', () => {
    market.place(askOf(1, 1, 1, 2, dollar, { interruptible: true }));
    expect(asks()).toEqual([{ price: 2 * dollar, quantity: 2, orders: 1 }]);
    market.place(bidOf(2, 2, 2, 1.5 * dollar, interruptible));
    market.do({ kind: 'halt', product: null, reason: 'a test' });
    expect(market.engine.nextDeadline()).toBeNull();
    toClearing();
    tick();
    expect(market.engine.order(order(2))).toMatchObject({ open: 2 });
    market.do({ kind: 'resume', product: null });
    toClearing();
    market.wait(15 * minute);
    tick();
    expect(market.engine.product(product).lastPrice).toBe(dollar);
  });

  test.each([
    [{ durationHours: 25 }],
    [{ placement: 'node' }],
    [{ allOrNone: true }],
    [{ minQuantity: 2 }],
    [{ region: 'eu' }],
    [{ minScore: 1 }],
    [{ minLabel: 'measured' }],
    [{ timeInForce: 'ioc' }],
  ] as const)('takes no bid with %j', (terms) => {
    const refused = { kind: 'place', order: bidOf(1, 2, 2, dollar, { ...interruptible, ...terms }) } as const;
    expect(market.refused(refused)).toBe('GPUB_INVALID');
  });

  test('takes no ask for a shorter time, and no order where there are none', () => {
    const ask = askOf(1, 1, 1, 1, dollar, { interruptible: true, durationHours: 23 });
    expect(market.refused({ kind: 'place', order: ask })).toBe('GPUB_INVALID');
    market.do({ kind: 'set-rules', product, rules: { ...defaultRules(product), auctionIntervalS: 0 } });
    expect(market.refused({ kind: 'place', order: bidOf(2, 2, 1, dollar, interruptible) })).toBe('GPUB_INVALID');
    expect(market.engine.auctions(market.now)).toEqual([]);
  });
});

test('ids of the engine sort by their time', () => {
  market.do({ kind: 'set-pricing', pricing: pricingOf(1, 2 * dollar) });
  const first = market.place(bidOf(1, 2, 1, 2 * dollar)).trades[0]?.id ?? '';
  const second = market.place(bidOf(2, 2, 1, 2 * dollar)).trades[0]?.id ?? '';
  expect(Number.parseInt(first.replaceAll('-', '').slice(0, 12), 16)).toBe(market.now);
  expect(second > first).toBe(true);
  expect(second).not.toBe(id(0, 0));
});
