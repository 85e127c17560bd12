// Takes in what nodes have, what they cost, and how products are traded.
import { copyPricing, copyRules, copySupply } from './canonical.ts';
import type { Outcome } from './commands.ts';
import type { Market } from './market.ts';
import { inOrder, type Node, shareOutGpus, shortensAt } from './nodes.ts';
import { bringInLine, countOffer, setPrice } from './offering.ts';
import { highestPrice, longestHours, type ProductRules, tick } from './order.ts';
import { endOrder } from './order-life.ts';
import { allProducts } from './products.ts';
import { invalid } from './refusals.ts';
import type { NodePricing, NodeSupply } from './supply.ts';
import { priceAt, type Use, watch } from './uses.ts';

/** What a node has now. */
export function supply(market: Market, given: NodeSupply, now: number): Outcome {
  const node = market.nodes.of(given.nodeId);
  const after = copySupply(given);
  const before = node.supply;
  if (JSON.stringify(before) === JSON.stringify(after)) return { result: {} };
  if (!before && after.gpus.length === 0) return { result: {} };
  takeSupply(market, node, after);
  market.events.push({ type: 'supply', node: after });
  if (before && before.accountId !== after.accountId) endAsks(market, node, now);
  bringInLine(market, now);
  return { result: {} };
}

/** The GPUs of a node, without what follows for its asks. */
export function takeSupply(market: Market, node: Node, given: NodeSupply): void {
  node.supply = given.gpus.length > 0 ? given : undefined;
  shareOut(market, node);
}

function shareOut(market: Market, node: Node): void {
  const { nodes, products, holds } = market;
  shareOutGpus(
    node,
    (gpuId) => holds.isHeld(gpuId),
    (product) => nodes.offerOf(node, products.of(product)),
  );
  for (const offer of node.offers.values()) market.changedOffers.add(offer);
}

/** The asks of who owned the node before. */
function endAsks(market: Market, node: Node, now: number): void {
  for (const { manual, standing } of inOrder(node.offers.values())) {
    for (const slot of [...manual]) endOrder(market, slot, 'cancelled', 'supply', now);
    if (standing >= 0) endOrder(market, standing, 'cancelled', 'supply', now);
  }
}

/** What a node costs from now on. */
export function setPricing(market: Market, given: NodePricing, now: number): Outcome {
  const { basePrice, maxDurationHours } = given;
  if (!Number.isSafeInteger(basePrice) || basePrice < tick || basePrice > highestPrice || basePrice % tick !== 0) {
    return {
      refusal: invalid('body.base_price', basePrice / 1_000_000, 'USD from 0.0001 to 10000 in steps of 0.0001'),
    };
  }
  if (!Number.isSafeInteger(maxDurationHours) || maxDurationHours < 1 || maxDurationHours > longestHours) {
    const allowed = `a whole number from 1 to ${longestHours}`;
    return { refusal: invalid('body.max_duration_hours', maxDurationHours, allowed) };
  }
  const node = market.nodes.of(given.nodeId);
  const pricing = copyPricing(given);
  if (JSON.stringify(node.pricing) === JSON.stringify(pricing)) return { result: {} };
  takePricing(market, node, pricing, now);
  market.events.push({ type: 'pricing', pricing });
  for (const offer of node.offers.values()) {
    countOffer(market, offer);
    const use = market.uses.list[offer.use] as Use | undefined;
    if (!use) continue;
    market.changedUses.add(use);
    const price = priceAt(use, offer);
    if (offer.standing >= 0 && price !== offer.price) setPrice(market, offer, price, now);
    watch(use, offer);
  }
  bringInLine(market, now);
  return { result: {} };
}

/** The price of a node, without what follows for its asks. */
export function takePricing(market: Market, node: Node, pricing: NodePricing | undefined, now: number): void {
  node.pricing = pricing;
  shareOut(market, node);
  schedule(market, node, now);
}

/** When the longest lease of a node becomes shorter. */
export function schedule(market: Market, node: Node, now: number): void {
  market.shortenings.remove(node.number);
  node.shortensAt = shortensAt(node.pricing, now);
  if (Number.isFinite(node.shortensAt)) market.shortenings.add(node.number);
}

/** The node is not sold any more, besides by orders of its owner. */
export function removePricing(market: Market, nodeId: string, now: number): Outcome {
  const node = market.nodes.find(nodeId);
  if (!node?.pricing) return { result: {} };
  takePricing(market, node, undefined, now);
  market.events.push({ type: 'pricing-removed', nodeId });
  bringInLine(market, now);
  return { result: {} };
}

/** How a product is traded from now on. */
export function setRules(market: Market, name: string, given: ProductRules, now: number): Outcome {
  if (name === '' || name === allProducts) return { refusal: invalid('params.id', name, 'a product') };
  const { auctionIntervalS, auctionNoCancelS } = given;
  if (auctionIntervalS !== 0 && auctionIntervalS < 60) {
    return { refusal: invalid('body.auction_interval_s', auctionIntervalS, '0, or at least 60') };
  }
  if (auctionIntervalS !== 0 && auctionNoCancelS > auctionIntervalS) {
    return { refusal: invalid('body.auction_no_cancel_s', auctionNoCancelS, 'no more than auction_interval_s') };
  }
  const product = market.products.of(name);
  const rules = copyRules(given);
  if (JSON.stringify(product.rules) === JSON.stringify(rules)) return { result: {} };
  product.rules = rules;
  product.book.setRules(rules);
  market.tellProduct(product);
  for (const offer of market.nodes.offers) if (offer.product === product) market.changedOffers.add(offer);
  bringInLine(market, now);
  return { result: {} };
}
