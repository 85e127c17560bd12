// The state as a list of records, and back.
import { copyPricing, copyRules, copySupply, copyTrade } from './canonical.ts';
import type { EngineRecord } from './contract.ts';
import type { Market } from './market.ts';
import { holdGpus } from './nodes.ts';
import { countOffer, describe } from './offering.ts';
import type { OrderImage } from './order.ts';
import { enter } from './order-life.ts';
import { isUntouched } from './products.ts';
import { takePricing, takeSupply } from './supplying.ts';
import { watch } from './uses.ts';

/** Everything, in the order in which {@link restore} wants it; nothing may change meanwhile. */
export function* recordsOf(market: Market): Generator<EngineRecord> {
  const { now, trades, priority, ids } = market;
  yield { type: 'counters', now, trades, priority, ids };
  const { orders } = market;
  const standing: EngineRecord[] = [];
  for (const record of recordsBesidesOrders(market)) {
    if (record.type === 'standing-ask') standing.push(record);
    else yield record;
  }
  for (const slot of orders.slotsInTime()) {
    yield { type: 'order', order: orders.imageOf(slot, market.productOf(slot).name) };
  }
  yield* standing;
}

/** All but the counters and the orders. */
export function* recordsBesidesOrders(market: Market): Generator<EngineRecord> {
  const { products, killed, wallets, nodes, holds, orders } = market;
  for (const product of products.list) {
    if (!isUntouched(product)) yield { type: 'product', state: products.stateOf(product) };
  }
  for (const [accountId, reason] of killed) yield { type: 'killed', accountId, reason };
  for (const [accountId, { available, escrow }] of wallets.all())
    yield { type: 'wallet', accountId, available, escrow };
  for (const { supply } of nodes.list) if (supply) yield { type: 'supply', node: supply };
  for (const { pricing } of nodes.list) if (pricing) yield { type: 'pricing', pricing };
  for (const trade of holds.all()) yield { type: 'trade', trade };
  for (const { standing, node, product, repricedAt } of nodes.offers) {
    if (standing < 0) continue;
    const ask = { orderId: orders.idOf(standing), nodeId: node.id, product: product.name, repricedAt };
    yield { type: 'standing-ask', ask };
  }
}

/** Puts a record back; they come in the order of {@link recordsOf}. */
export function restore(market: Market, record: EngineRecord): void {
  switch (record.type) {
    case 'counters':
      market.now = record.now;
      market.caughtUp = record.now;
      market.trades = record.trades;
      market.priority = record.priority;
      market.ids = record.ids;
      break;
    case 'product': {
      const { rules, haltReason, lastPrice } = record.state;
      const product = market.products.of(record.state.product);
      Object.assign(product, { rules: copyRules(rules), haltReason, lastPrice });
      product.book.setRules(product.rules);
      break;
    }
    case 'killed':
      market.killed.set(record.accountId, record.reason);
      break;
    case 'wallet':
      market.wallets.restore(record.accountId, record);
      break;
    case 'supply':
      takeSupply(market, market.nodes.of(record.node.nodeId), copySupply(record.node));
      countChanged(market);
      break;
    case 'pricing':
      takePricing(market, market.nodes.of(record.pricing.nodeId), copyPricing(record.pricing), market.now);
      countChanged(market);
      break;
    case 'trade':
      restoreTrade(market, record);
      break;
    case 'order':
      restoreOrder(market, record.order);
      break;
    case 'standing-ask': {
      const { nodeId, product, repricedAt } = record.ask;
      const offer = market.nodes.offerOf(market.nodes.of(nodeId), market.products.of(product));
      offer.repricedAt = repricedAt;
      if (offer.standing >= 0) offer.price = market.orders.priceOf(offer.standing);
      break;
    }
  }
}

/** GPUs are counted at once; nothing is priced or matched. */
function countChanged(market: Market): void {
  for (const offer of market.changedOffers) countOffer(market, offer);
  market.changedOffers.clear();
  market.changedUses.clear();
}

function restoreTrade(market: Market, { trade }: Extract<EngineRecord, { type: 'trade' }>): void {
  market.holds.add(copyTrade(trade));
  for (const offer of market.nodes.of(trade.nodeId).offers.values()) {
    if (holdGpus(offer, trade.gpuIds)) market.changedOffers.add(offer);
  }
  countChanged(market);
}

function restoreOrder(market: Market, order: OrderImage): void {
  const { orders, products, nodes } = market;
  const product = products.of(order.product);
  const offer = order.side === 'ask' ? nodes.offerOf(nodes.of(order.nodeId ?? ''), product) : undefined;
  const place = {
    home: offer?.number ?? product.number,
    priority: order.priority,
    at: order.createdAt,
    standing: order.standing,
  };
  const slot = orders.add(order, place);
  orders.restore(slot, order);
  enter(market, slot);
  if (offer) describe(market, offer, slot, order.open).apply();
  if (order.open > 0 && !order.interruptible) product.book.insert(slot);
}

/** After the last record: when surge prices are looked at next. */
export function finishRestore(market: Market): void {
  for (const use of market.uses.list) {
    market.checks.remove(use.number);
    for (const offer of use.offers) watch(use, offer);
    // Where no price may be due to change, nothing is found then, and nothing is told.
    use.checkAt = Math.max(use.calmUntil, market.now + 1);
    if (Number.isFinite(use.checkAt)) market.checks.add(use.number);
  }
}
