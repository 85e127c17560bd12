// The engine of the market: commands in, events out. No clock, no randomness, no input or output: the same commands at
// the same times make the same state.

import type { Command, Outcome } from './commands.ts';
import type { Engine, EngineRecord } from './contract.ts';
import { halt, kill, match, resume, revive } from './controlling.ts';
import { catchUp, nextDue } from './due.ts';
import type { EngineEvent } from './events.ts';
import { Market } from './market.ts';
import { deposit, endHoldNow, settle, withdraw } from './paying.ts';
import { amend, cancel, place } from './placing.ts';
import { previewOf } from './previewing.ts';
import { finishRestore, recordsOf, restore } from './records.ts';
import { hashOf } from './state-hash.ts';
import { removePricing, setPricing, setRules, supply } from './supplying.ts';
import { auctionsOf, depthOf, offersOf, productOf, productsOf, quoteOf, usesOf } from './views.ts';

/** An engine with nothing in it; {@link Engine.restore} puts a state back. */
export function createEngine(): Engine {
  const market = new Market();
  let isRestored = true;
  const ready = () => {
    if (!isRestored) finishRestore(market);
    isRestored = true;
    return market;
  };
  return {
    get now() {
      return market.now;
    },
    apply: (command, now) => apply(ready(), command, now),
    takeEvents: () => takeEvents(market),
    nextDeadline: () => nextDue(ready()),
    restore: (record) => {
      isRestored = false;
      restore(market, record);
    },
    depth: (product, levels) => depthOf(market, product, levels),
    preview: (order, now) => previewOf(market, order, now),
    order: (id) => orderOf(market, id),
    trade: (id) => market.holds.get(id),
    products: () => productsOf(market),
    product: (product) => productOf(market, product),
    killedReason: (accountId) => market.killed.get(accountId),
    wallet: (accountId) => ({ ...market.wallets.of(accountId) }),
    supply: (nodeId) => market.nodes.find(nodeId)?.supply,
    pricing: (nodeId) => market.nodes.find(nodeId)?.pricing,
    offers: (product) => offersOf(market, product),
    quote: (wanted) => quoteOf(market, wanted),
    uses: (product) => usesOf(market, product),
    auctions: (now) => auctionsOf(market, now),
    stateHash: () => hashOf(market),
    records: (): Iterable<EngineRecord> => recordsOf(market),
    openOrders: (side) => openOrders(market, side),
  };
}

function apply(market: Market, command: Command, now: number): Outcome {
  if (now < market.now) throw new Error(`time runs backwards: ${now} comes after ${market.now}`);
  catchUp(market, now);
  market.made.length = 0;
  const outcome = obey(market, command, now);
  market.flush();
  return outcome;
}

function obey(market: Market, command: Command, now: number): Outcome {
  switch (command.kind) {
    case 'place':
      return place(market, command.order, now);
    case 'cancel':
      return cancel(market, command, now);
    case 'amend':
      return amend(market, command, now);
    case 'supply':
      return supply(market, command.node, now);
    case 'set-pricing':
      return setPricing(market, command.pricing, now);
    case 'remove-pricing':
      return removePricing(market, command.nodeId, now);
    case 'set-rules':
      return setRules(market, command.product, command.rules, now);
    case 'halt':
      return halt(market, command.product, command.reason);
    case 'resume':
      return resume(market, command.product, now);
    case 'kill':
      return kill(market, command, now);
    case 'revive':
      return revive(market, command.accountId);
    case 'match':
      return match(market, command.product, now);
    case 'deposit':
      return deposit(market, command);
    case 'withdraw':
      return withdraw(market, command);
    case 'settle':
      return settle(market, command);
    case 'end-hold':
      return endHoldNow(market, command, now);
    case 'publish-index':
      for (const window of command.windows) market.events.push({ type: 'index', window });
      return { result: {} };
    case 'tick':
      return { result: {} };
  }
}

function takeEvents(market: Market): EngineEvent[] {
  const { events } = market;
  market.events = [];
  return events;
}

function orderOf(market: Market, id: string) {
  const slot = market.orders.find(id);
  return slot === undefined ? undefined : market.orders.imageOf(slot, market.productOf(slot).name);
}

function openOrders({ orders }: Market, side: 'bid' | 'ask' | undefined): number {
  if (side === undefined) return orders.columns.count;
  let count = 0;
  for (const slot of orders.slots()) if (orders.isBid(slot) === (side === 'bid')) count++;
  return count;
}
