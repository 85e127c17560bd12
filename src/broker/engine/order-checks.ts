// Whether an order may come into the market: what it says, who gives it, and what is there for it.
import type { EngineRefusal } from './commands.ts';
import { isUuid } from './ids.ts';
import type { Market } from './market.ts';
import type { Offer } from './nodes.ts';
import { defaultRules, highestPrice, labels, longestHours, mostGpus, type NewOrder, tick } from './order.ts';
import { costOfHours } from './prices.ts';
import { allProducts, type Product } from './products.ts';
import { conflict, dollars, insufficientFunds, invalid } from './refusals.ts';

/** Open orders that an account may have, the broker's own standing asks aside. */
export const mostOpenOrders = 100_000;

/** Why an order is refused; undefined where it is not. */
export function checkOrder(market: Market, order: NewOrder, now: number): EngineRefusal | undefined {
  return (
    checkWords(order, now) ??
    checkAdmission(market, order.accountId, order.product) ??
    checkInterruptible(market, order) ??
    checkBand(market.products.find(order.product), order.price) ??
    checkPlace(market, order) ??
    (order.side === 'ask' ? checkGpus(market, order) : checkMoney(market, order.accountId, order, 0))
  );
}

const isWhole = (value: number, least: number, most: number) =>
  Number.isSafeInteger(value) && value >= least && value <= most;

function checkWords(order: NewOrder, now: number): EngineRefusal | undefined {
  const { quantity, durationHours, minQuantity, minScore, timeInForce, expiresAt, accountId } = order;
  if (!isUuid(order.id)) return invalid('id', order.id, 'a UUID in lower case');
  if (!isUuid(accountId)) return invalid('account_id', accountId, 'a UUID in lower case');
  if (order.product === '' || order.product === allProducts)
    return invalid('body.gpu_type', order.product, 'a product');
  if (!isWhole(quantity, 1, mostGpus))
    return invalid('body.quantity', quantity, `a whole number from 1 to ${mostGpus}`);
  if (!isWhole(durationHours, 1, longestHours)) {
    return invalid('body.duration_hours', durationHours, `a whole number from 1 to ${longestHours}`);
  }
  if (timeInForce === 'gtd' ? expiresAt === null || expiresAt <= now : expiresAt !== null) {
    const allowed = timeInForce === 'gtd' ? 'a time to come' : 'it with time_in_force gtd only';
    return invalid('body.expires_at', expiresAt === null ? null : new Date(expiresAt).toISOString(), allowed);
  }
  if (!isWhole(minQuantity, 1, quantity)) {
    return invalid('body.min_quantity', minQuantity, 'a whole number from 1 to the quantity');
  }
  if (!isWhole(minScore, 0, 100)) return invalid('body.min_score', minScore, 'a whole number from 0 to 100');
  return checkPrice(order.price) ?? (order.side === 'ask' ? checkAskWords(order) : checkBidWords(order));
}

export function checkPrice(price: number): EngineRefusal | undefined {
  if (isWhole(price, tick, highestPrice) && price % tick === 0) return undefined;
  return invalid('body.price', price / 1_000_000, `USD from 0.0001 to ${highestPrice / 1_000_000} in steps of 0.0001`);
}

function checkBidWords({ nodeId }: NewOrder): EngineRefusal | undefined {
  return nodeId === null ? undefined : invalid('body.node_id', nodeId, 'it for asks only');
}

function checkAskWords(order: NewOrder): EngineRefusal | undefined {
  if (order.nodeId === null) return invalid('body.node_id', null, 'the node whose GPUs the ask sells');
  if (order.allOrNone) return invalid('body.all_or_none', true, 'it for bids only');
  if (order.minQuantity !== 1) return invalid('body.min_quantity', order.minQuantity, 'it for bids only');
  if (order.placement !== 'any') return invalid('body.placement', order.placement, 'it for bids only');
  if (order.region !== null) return invalid('body.region', order.region, 'it for bids only');
  if (order.minScore !== 0) return invalid('body.min_score', order.minScore, 'it for bids only');
  if (order.minLabel !== null) return invalid('body.min_label', order.minLabel, 'it for bids only');
  return undefined;
}

/** Whether somebody may order anything of a product now. */
export function checkAdmission(market: Market, accountId: string, productName: string): EngineRefusal | undefined {
  const { killed, products } = market;
  const stopped = killed.get(accountId) ?? killed.get(null);
  if (stopped !== undefined) return conflict('GPUB_ACCOUNT_STOPPED', `the account may not order: ${stopped}`);
  const product = products.find(productName) ?? products.find(allProducts);
  const halted = product ? products.haltOf(product) : null;
  if (halted !== null) return conflict('GPUB_MARKET_HALTED', `${productName} is not traded now: ${halted}`);
  return undefined;
}

function checkInterruptible(market: Market, order: NewOrder): EngineRefusal | undefined {
  if (!order.interruptible) return undefined;
  const rules = market.products.find(order.product)?.rules ?? defaultRules(order.product);
  const { auctionHours, auctionIntervalS, minLabel } = rules;
  const { side, durationHours, timeInForce } = order;
  if (auctionIntervalS === 0) return invalid('body.interruptible', true, 'false: the product has no auctions');
  if (timeInForce !== 'gtc' && timeInForce !== 'gtd') {
    return invalid('body.time_in_force', timeInForce, 'gtc or gtd for an interruptible order');
  }
  if (side === 'ask') {
    if (durationHours >= auctionHours) return undefined;
    return invalid('body.duration_hours', durationHours, `at least ${auctionHours} for an interruptible ask`);
  }
  if (durationHours > auctionHours) {
    return invalid('body.duration_hours', durationHours, `at most ${auctionHours} for an interruptible bid`);
  }
  if (order.placement !== 'any') return invalid('body.placement', order.placement, 'any for an interruptible bid');
  if (order.allOrNone) return invalid('body.all_or_none', true, 'false for an interruptible bid');
  if (order.minQuantity !== 1) return invalid('body.min_quantity', order.minQuantity, '1 for an interruptible bid');
  if (order.region !== null) return invalid('body.region', order.region, 'none for an interruptible bid');
  if (order.minScore !== 0) return invalid('body.min_score', order.minScore, '0 for an interruptible bid');
  if (order.minLabel !== null && labels.indexOf(order.minLabel) > labels.indexOf(minLabel)) {
    return invalid('body.min_label', order.minLabel, `${minLabel} at most for an interruptible bid`);
  }
  return undefined;
}

/** Whether a price is near enough to the last one. */
export function checkBand(product: Product | undefined, price: number): EngineRefusal | undefined {
  const { lastPrice = null, rules } = product ?? {};
  const band = rules?.bandBps ?? null;
  if (lastPrice === null || band === null) return undefined;
  const least = Math.max(0, Math.ceil((lastPrice * (10_000 - band)) / 10_000));
  const most = Math.floor((lastPrice * (10_000 + band)) / 10_000);
  if (price >= least && price <= most) return undefined;
  const allowed = `USD from ${dollars(least)} to ${dollars(most)}`;
  const message = `body.price: ${dollars(price)} is too far from the last price: give ${allowed}`;
  return { kind: 'invalid', code: 'GPUB_PRICE_BAND', message, field: 'body.price', value: dollars(price), allowed };
}

function checkPlace({ orders, openOrders }: Market, { id, accountId }: NewOrder): EngineRefusal | undefined {
  if (orders.find(id) !== undefined) return conflict('GPUB_CONFLICT', `there is an order ${id} already`);
  if ((openOrders.get(orders.accounts.find(accountId)) ?? 0) < mostOpenOrders) return undefined;
  return conflict('GPUB_TOO_MANY_ORDERS', `the account has ${mostOpenOrders} open orders: cancel some first`);
}

function checkGpus(market: Market, order: NewOrder): EngineRefusal | undefined {
  const node = market.nodes.find(order.nodeId ?? '');
  if (node?.supply?.accountId !== order.accountId) {
    return conflict('GPUB_NOT_SELLABLE', `the account has no node ${order.nodeId} in the market`);
  }
  const product = market.products.find(order.product);
  const offer = product && node.offers.get(product);
  const left = offer ? unsoldGpus(market, offer, undefined) : 0;
  return order.quantity <= left ? undefined : tooFewGpus(node.id, left);
}

export function tooFewGpus(nodeId: string, left: number): EngineRefusal {
  const message = `node ${nodeId} has ${left} GPUs of the product that can be sold and are in no other order`;
  return { ...conflict('GPUB_NOT_SELLABLE', message), field: 'body.quantity', allowed: `at most ${left}` };
}

/** Free GPUs that no ask sells besides the standing one and `except`. */
export function unsoldGpus({ orders }: Market, offer: Offer, except: number | undefined): number {
  return offer.manual.reduce((left, slot) => (slot === except ? left : left - orders.openOf(slot)), offer.free);
}

/** @param held micro-dollars that are held back for the order already */
export function checkMoney(
  { wallets }: Market,
  accountId: string,
  { price, quantity, durationHours }: Pick<NewOrder, 'price' | 'quantity' | 'durationHours'>,
  held: number,
): EngineRefusal | undefined {
  const cost = costOfHours(price, quantity, durationHours);
  if (cost === undefined) {
    const message = 'price × quantity × duration_hours is more than the ledger can count: order less at once';
    return { kind: 'invalid', code: 'GPUB_ORDER_TOO_LARGE', message, field: 'body.quantity', value: quantity };
  }
  const { available } = wallets.of(accountId);
  return cost - held <= available ? undefined : insufficientFunds(cost - held, available);
}
