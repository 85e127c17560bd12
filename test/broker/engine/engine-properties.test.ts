// What must hold after every command, whatever the commands are: money, GPUs, what rests; and that the state can be
// put back, and made again.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Command } from '../../../src/broker/engine/commands.ts';
import type { Engine, EngineRecord } from '../../../src/broker/engine/contract.ts';
import { createEngine } from '../../../src/broker/engine/engine.ts';
import type { EngineEvent } from '../../../src/broker/engine/events.ts';
import { labels, type OrderImage, type Trade } from '../../../src/broker/engine/order.ts';
import { runs, soaking } from '../../properties.ts';
import { start } from './market-fixture.ts';
import { opening, type Step, stories } from './random-market.ts';

const timeout = soaking ? 600_000 : 60_000;

/** Plays a story; `look` sees every command with its time and events. */
function play(
  engine: Engine,
  steps: readonly Step[],
  look: (command: Command, now: number, events: EngineEvent[]) => void,
) {
  let now = start;
  for (const [number, step] of steps.entries()) {
    now += step.wait;
    const command = step.command(engine, number + 1, now);
    const before = command.kind === 'match' ? engine.stateHash() : undefined;
    engine.apply({ kind: 'tick' }, now);
    const rested = before === undefined ? undefined : engine.stateHash();
    const { refusal } = engine.apply(command, now);
    if (refusal && rested !== undefined) expect(engine.stateHash()).toBe(rested);
    look(command, now, engine.takeEvents());
  }
}

function recordsOf<Type extends EngineRecord['type']>(engine: Engine, type: Type) {
  return [...engine.records()].filter((record) => record.type === type) as Extract<EngineRecord, { type: Type }>[];
}

/** The sum of what everybody has is what came in; what is held back is held back for something. */
function checkMoney(engine: Engine, broughtIn: number, ledger: Map<string, number>): void {
  const escrow = new Map<string, number>();
  const add = (accountId: string, amount: number) => escrow.set(accountId, (escrow.get(accountId) ?? 0) + amount);
  for (const { order } of recordsOf(engine, 'order')) add(order.accountId, order.escrow);
  for (const { trade } of recordsOf(engine, 'trade')) add(trade.buyerAccountId, trade.escrow);
  let sum = 0;
  for (const wallet of recordsOf(engine, 'wallet')) {
    expect(wallet.available).toBeGreaterThanOrEqual(0);
    expect(wallet.escrow).toBe(escrow.get(wallet.accountId) ?? 0);
    expect(wallet.available).toBe(ledger.get(`${wallet.accountId} available`) ?? 0);
    expect(wallet.escrow).toBe(ledger.get(`${wallet.accountId} escrow`) ?? 0);
    sum += wallet.available + wallet.escrow;
  }
  expect(sum).toBe(broughtIn);
}

function keepLedger(ledger: Map<string, number>, events: readonly EngineEvent[]): void {
  for (const event of events) {
    if (event.type !== 'transfer') continue;
    const { from, to, amount } = event.transfer;
    expect(amount).toBeGreaterThan(0);
    ledger.set(`${from.accountId} ${from.kind}`, (ledger.get(`${from.accountId} ${from.kind}`) ?? 0) - amount);
    ledger.set(`${to.accountId} ${to.kind}`, (ledger.get(`${to.accountId} ${to.kind}`) ?? 0) + amount);
  }
}

/** No node offers more than it has free, and its standing ask offers all that others do not; no GPU is held twice. */
function checkGpus(engine: Engine, now: number): void {
  const held = recordsOf(engine, 'trade').flatMap(({ trade }) => trade.gpuIds);
  expect(new Set(held).size).toBe(held.length);
  const asks = recordsOf(engine, 'order').filter(({ order }) => order.side === 'ask');
  for (const { node } of recordsOf(engine, 'supply')) {
    const pricing = engine.pricing(node.nodeId);
    for (const product of new Set(node.gpus.map((gpu) => gpu.product))) {
      const least = labels.indexOf(engine.product(product).rules.minLabel);
      const free = node.gpus.filter((gpu, index) => {
        const withheld = pricing?.withheld ?? 0;
        const isWithheld =
          typeof withheld === 'number' ? index >= node.gpus.length - withheld : withheld.includes(gpu.id);
        const isSold = gpu.sellable && !gpu.occupied && !isWithheld && labels.indexOf(gpu.label) >= least;
        return gpu.product === product && isSold && !held.includes(gpu.id);
      }).length;
      const own = asks.filter(({ order }) => order.nodeId === node.nodeId && order.product === product);
      const open = own.reduce((sum, { order }) => sum + order.open, 0);
      expect(open).toBeLessThanOrEqual(free);
      const standing = own.filter(({ order }) => order.standing);
      expect(standing).toHaveLength(pricing ? 1 : 0);
      const isOpen = pricing && (pricing.availableUntil === null || pricing.availableUntil - now >= 3_600_000);
      if (isOpen) expect(open).toBe(free);
    }
  }
  const known = asks.filter(({ order }) => order.open > 0).map(({ order }) => order.nodeId);
  for (const nodeId of known) expect(engine.supply(nodeId ?? '')).toBeDefined();
}

/** What the tables would hold: built from events alone. */
class Tables {
  readonly orders = new Map<string, OrderImage>();
  readonly trades = new Map<string, Trade>();

  take(events: readonly EngineEvent[]): void {
    for (const event of events) {
      if (event.type === 'order-created') {
        expect(this.orders.has(event.order.id)).toBe(false);
        this.orders.set(event.order.id, event.order);
      }
      if (event.type === 'order-changed') {
        const before = this.orders.get(event.progress.id);
        expect(before).toBeDefined();
        this.orders.set(event.progress.id, { ...(before as OrderImage), ...event.progress });
      }
      if (event.type === 'trade' || event.type === 'trade-changed') this.trades.set(event.trade.id, event.trade);
    }
  }

  check(engine: Engine): void {
    const open = [...this.orders.values()].filter(({ status }) => status === 'pending' || status === 'partial');
    const byId = (one: { id: string }, other: { id: string }) => (one.id < other.id ? -1 : 1);
    expect(open.sort(byId)).toEqual(
      recordsOf(engine, 'order')
        .map(({ order }) => order)
        .sort(byId),
    );
    const held = [...this.trades.values()].filter(({ endedAt }) => endedAt === null);
    expect(held.sort(byId)).toEqual(
      recordsOf(engine, 'trade')
        .map(({ trade }) => trade)
        .sort(byId),
    );
    for (const order of this.orders.values()) expect(order.filled + order.open).toBeLessThanOrEqual(order.quantity);
  }
}

function copyOf(engine: Engine): Engine {
  const copy = createEngine();
  // As they come from a snapshot: through JSON, so that nothing is shared.
  for (const record of engine.records()) copy.restore(JSON.parse(JSON.stringify(record)));
  return copy;
}

describe('after every command', () => {
  test(
    'money, GPUs and what was told are right',
    () => {
      fc.assert(
        fc.property(stories(60), (steps) => {
          const engine = createEngine();
          const ledger = new Map<string, number>();
          const tables = new Tables();
          play(engine, [...opening(), ...steps], (_command, now, events) => {
            keepLedger(ledger, events);
            tables.take(events);
            checkMoney(engine, -(ledger.get('null outside') ?? 0), ledger);
            checkGpus(engine, now);
            tables.check(engine);
          });
        }),
        runs(100, 5000),
      );
    },
    timeout,
  );

  test(
    'nothing that rests could trade',
    () => {
      fc.assert(
        fc.property(stories(60), (steps) => {
          const engine = createEngine();
          play(engine, [...opening(), ...steps], (_command, now) => {
            expect(engine.apply({ kind: 'match', product: null }, now).result?.trades).toEqual([]);
          });
        }),
        runs(100, 5000),
      );
    },
    timeout,
  );
});

describe('the state', () => {
  test(
    'is put back from its records, and goes on in the same way',
    () => {
      fc.assert(
        fc.property(stories(40), stories(20), (first, more) => {
          const engine = createEngine();
          play(engine, [...opening(), ...first], () => {});
          const copy = copyOf(engine);
          expect(copy.stateHash()).toBe(engine.stateHash());
          const told: unknown[][] = [];
          const commands: [Command, number][] = [];
          let now = engine.now;
          for (const [index, step] of more.entries()) {
            now += step.wait;
            commands.push([step.command(engine, 1000 + index, now), now]);
            const outcome = engine.apply(...(commands.at(-1) as [Command, number]));
            told.push([outcome, engine.takeEvents(), engine.stateHash()]);
          }
          for (const [index, command] of commands.entries()) {
            const outcome = copy.apply(...command);
            expect([outcome, copy.takeEvents(), copy.stateHash()]).toEqual(told[index]);
          }
        }),
        runs(100, 5000),
      );
    },
    timeout,
  );

  test(
    'is made again by the commands that were done, however often time was told to pass',
    () => {
      fc.assert(
        fc.property(stories(60), (steps) => {
          const engine = createEngine();
          const done: [Command, number][] = [];
          play(engine, [...opening(), ...steps], (command, now) => done.push([command, now]));
          const again = createEngine();
          for (const [command, now] of done) {
            for (let due = again.nextDeadline(); due !== null && due <= now; due = again.nextDeadline()) {
              again.apply({ kind: 'tick' }, Math.max(due, again.now));
            }
            again.apply(JSON.parse(JSON.stringify(command)), now);
          }
          expect(again.stateHash()).toBe(engine.stateHash());
        }),
        runs(100, 5000),
      );
    },
    timeout,
  );
});
