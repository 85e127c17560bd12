// Random commands for a small market in which everything meets: few accounts, nodes, prices and products.
import * as fc from 'fast-check';
import type { Command } from '../../../src/broker/engine/commands.ts';
import type { Engine } from '../../../src/broker/engine/contract.ts';
import { defaultRules, labels, type NewOrder } from '../../../src/broker/engine/order.ts';
import { account, askOf, bidOf, dollar, id, node, order, pricingOf, product, supplyOf } from './market-fixture.ts';

/** What somebody does, and how long after what was before. */
export interface Step {
  readonly wait: number;
  /** Makes the command from what is open then, so that most of them meet something. */
  readonly command: (engine: Engine, number: number, now: number) => Command;
}

const accounts = 4;
const nodes = 4;
const hour = 3_600_000;
const other = 'A100-SXM4-80GB';
const owner = (nodeNumber: number) => (nodeNumber % 2) + 1;

const price = fc.integer({ min: 10, max: 30 }).map((tenths) => (tenths * dollar) / 10);
const anAccount = fc.integer({ min: 1, max: accounts });
const aNode = fc.integer({ min: 1, max: nodes });
const aProduct = fc.constantFrom(product, product, other);
const aLabel = fc.constantFrom(...labels);

const bidTerms = fc.record<Partial<NewOrder>>(
  {
    durationHours: fc.constantFrom(1, 2, 24, 100),
    timeInForce: fc.constantFrom('gtc', 'gtc', 'ioc', 'fok'),
    allOrNone: fc.boolean(),
    placement: fc.constantFrom('any', 'any', 'node', 'cluster'),
    region: fc.constantFrom(null, 'eu', 'us'),
    minScore: fc.constantFrom(0, 50, 90),
    minLabel: fc.option(aLabel),
    product: aProduct,
    clientOrderId: fc.constantFrom(null, 'mine'),
  },
  { requiredKeys: [] },
);
const untilTerms = fc.record({
  timeInForce: fc.constant('gtd' as const),
  lasts: fc.integer({ min: 1, max: 3 * hour }),
});

const bid = fc
  .tuple(anAccount, fc.integer({ min: 1, max: 12 }), price, bidTerms, fc.boolean())
  .map(([by, quantity, limit, terms, interruptible]): Step['command'] => {
    const auction = { durationHours: 2, interruptible, product: terms.product ?? product };
    return (_engine, number) => ({
      kind: 'place',
      order: bidOf(number, by, quantity, limit, interruptible ? auction : terms),
    });
  });
const lastingBid = fc
  .tuple(anAccount, fc.integer({ min: 1, max: 12 }), price, untilTerms, fc.boolean())
  .map(([by, quantity, limit, { timeInForce, lasts }, interruptible]): Step['command'] => {
    return (_engine, number, now) => ({
      kind: 'place',
      order: bidOf(number, by, quantity, limit, { timeInForce, expiresAt: now + lasts, interruptible }),
    });
  });
const ask = fc
  .tuple(
    aNode,
    fc.integer({ min: 1, max: 4 }),
    price,
    aProduct,
    fc.constantFrom('gtc', 'gtc', 'ioc', 'fok'),
    fc.boolean(),
  )
  .map(([at, quantity, limit, sold, timeInForce, interruptible]): Step['command'] => {
    const terms = { product: sold, ...(interruptible ? { interruptible } : ({ timeInForce } as const)) };
    return (_engine, number) => ({
      kind: 'place',
      order: askOf(number, owner(at), at, quantity, limit, terms as object),
    });
  });

/** The order that a number points at, of those that are open. */
function openOrder(engine: Engine, pick: number): string {
  const open = [...engine.records()].flatMap((record) => (record.type === 'order' ? [record.order.id] : []));
  return open[pick % Math.max(1, open.length)] ?? order(0);
}
function heldTrade(engine: Engine, pick: number): string {
  const held = [...engine.records()].flatMap((record) => (record.type === 'trade' ? [record.trade.id] : []));
  return held[pick % Math.max(1, held.length)] ?? order(0);
}

const change = fc
  .tuple(fc.nat(1000), fc.option(fc.integer({ min: 1, max: 14 })), fc.option(price), fc.boolean())
  .map(([pick, quantity, limit, cancels]): Step['command'] => {
    return (engine) => {
      const orderId = openOrder(engine, pick);
      if (cancels) return { kind: 'cancel', orderId, accountId: null, reason: 'user' };
      return { kind: 'amend', orderId, accountId: null, quantity, price: limit };
    };
  });
const lease = fc
  .tuple(fc.nat(1000), fc.integer({ min: 0, max: 7200 }), fc.boolean())
  .map(([pick, seconds, ends]): Step['command'] => {
    return (engine) => {
      const tradeId = heldTrade(engine, pick);
      return ends ? { kind: 'end-hold', tradeId, reason: 'user' } : { kind: 'settle', tradeId, seconds };
    };
  });
const supply = fc
  .tuple(aNode, fc.integer({ min: 0, max: 6 }), fc.nat(), fc.constantFrom('eu', 'us'), fc.integer({ min: 1, max: 2 }))
  .map(([at, gpus, bits, region, cluster]): Step['command'] => {
    const given = supplyOf(
      at,
      owner(at),
      gpus,
      (_gpu, index) => {
        const some = (bits >> (index * 4)) & 15;
        return {
          sellable: (some & 3) !== 0,
          occupied: some === 7,
          product: some > 12 ? other : product,
          label: labels[1 + (some % 3)] ?? 'measured',
          score: [40, 60, 95][some % 3] ?? 0,
        };
      },
      { region, clusterId: id(5, cluster) },
    );
    return () => ({ kind: 'supply', node: given });
  });
const pricing = fc
  .tuple(aNode, price, fc.boolean(), fc.constantFrom(null, 0.5, 3, 30), fc.constantFrom(0, 0, 1), fc.nat(5))
  .map(([at, basePrice, surge, lasts, withheld, removes]): Step['command'] => {
    if (removes === 0) return () => ({ kind: 'remove-pricing', nodeId: node(at) });
    return (_engine, _number, now) => ({
      kind: 'set-pricing',
      pricing: pricingOf(at, basePrice, {
        surge,
        withheld,
        availableUntil: lasts && now + lasts * hour,
        maxDurationHours: 50,
      }),
    });
  });
const rules = fc
  .record({
    allocation: fc.constantFrom('pro-rata', 'price-time'),
    tradePrice: fc.constantFrom('midpoint', 'maker'),
    minShare: fc.constantFrom(1, 2),
    minLabel: fc.constantFrom('self-reported', 'measured'),
    bandBps: fc.constantFrom(null, 2000),
    auctionIntervalS: fc.constantFrom(0, 900),
  } as const)
  .map((given): Step['command'] => {
    return () => ({ kind: 'set-rules', product, rules: { ...defaultRules(product), auctionHours: 2, ...given } });
  });
const admin = fc
  .tuple(
    fc.constantFrom('halt', 'resume', 'resume', 'resume', 'kill', 'revive', 'revive', 'match'),
    fc.option(aProduct),
    fc.option(anAccount, { freq: 9 }),
  )
  .map(([kind, name, who]): Step['command'] => {
    const accountId = who === null ? null : account(who);
    if (kind === 'halt') return () => ({ kind, product: name, reason: 'a test' });
    if (kind === 'resume' || kind === 'match') return () => ({ kind, product: name });
    if (kind === 'kill') return () => ({ kind, accountId, reason: 'a test' });
    return () => ({ kind, accountId });
  });
const money = fc
  .tuple(anAccount, fc.integer({ min: 1, max: 500 }), fc.boolean())
  .map(([who, dollars, takes]): Step['command'] => {
    const terms = { accountId: account(who), amount: dollars * dollar, reference: 'a test' };
    return (_engine, number) => ({ kind: takes ? 'withdraw' : 'deposit', id: id(9, number), ...terms });
  });

const made = fc.oneof(
  { weight: 8, arbitrary: bid },
  { weight: 3, arbitrary: lastingBid },
  { weight: 4, arbitrary: ask },
  { weight: 4, arbitrary: change },
  { weight: 3, arbitrary: lease },
  { weight: 4, arbitrary: supply },
  { weight: 3, arbitrary: pricing },
  { weight: 1, arbitrary: rules },
  { weight: 1, arbitrary: admin },
  { weight: 1, arbitrary: money },
  { weight: 1, arbitrary: fc.constant<Step['command']>(() => ({ kind: 'tick' })) },
);
/** Shown by the command that it makes first. */
const command = made.map((make): Step['command'] => {
  let shown = '';
  const showing: Step['command'] = (engine, number, now) => {
    const given = make(engine, number, now);
    shown = JSON.stringify(given);
    return given;
  };
  return Object.assign(showing, { [fc.toStringMethod]: () => shown });
});
const wait = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 1000 }), fc.integer({ min: 1, max: 2 * hour }));

/** A story of up to so many commands, see {@link opening} for what comes before. */
export function stories(maxLength: number): fc.Arbitrary<Step[]> {
  return fc.array(fc.record({ wait, command }), { maxLength });
}

/** Money, nodes and prices, before a story. */
export function opening(): Step[] {
  const beginning: Step[] = [];
  for (let number = 1; number <= accounts; number++) {
    const terms = { accountId: account(number), amount: 5000 * dollar, reference: '' };
    beginning.push({ wait: 0, command: () => ({ kind: 'deposit', id: id(9, 1000 + number), ...terms }) });
  }
  for (let number = 1; number <= nodes; number++) {
    beginning.push({ wait: 0, command: () => ({ kind: 'supply', node: supplyOf(number, owner(number), 4) }) });
    beginning.push({
      wait: 0,
      command: () => ({ kind: 'set-pricing', pricing: pricingOf(number, 2 * dollar, { surge: number > 2 }) }),
    });
  }
  return beginning;
}
