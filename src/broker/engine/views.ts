// What may be looked at in the market: depth, offers, uses, auctions, and what an order would do.
import { noCancelAt } from './auction-phases.ts';
import { clearingOf } from './auctions.ts';
import type { BookLevel } from './book.ts';
import type { AuctionView, ClusterUse, Depth, NodeOffer, QuoteRequest } from './contract.ts';
import type { ProductState } from './events.ts';
import type { Market } from './market.ts';
import { labelOf } from './nodes.ts';
import { defaultRules, tick } from './order.ts';
import { allProducts, nextAuction } from './products.ts';
import { quoteFrom } from './quote.ts';

export function depthOf({ products }: Market, name: string, levels: number): Depth {
  const book = products.find(name)?.book;
  const side = (number: 0 | 1) => (book?.depth(number, levels) ?? []).map(inMoney);
  return { product: name, bids: side(0), asks: side(1) };
}

function inMoney({ price, quantity, orders }: BookLevel) {
  return { price: price * tick, quantity, orders };
}

/** A product, halted also where all are. */
export function productOf({ products }: Market, name: string): ProductState {
  const product = products.find(name);
  if (product) return { ...products.stateOf(product), haltReason: products.haltOf(product) };
  const haltReason = products.find(allProducts)?.haltReason ?? null;
  return { product: name, rules: defaultRules(name), haltReason, lastPrice: null };
}

export function productsOf(market: Market): ProductState[] {
  const names = market.products.list.map(({ name }) => name).filter((name) => name !== allProducts);
  return names.sort().map((name) => productOf(market, name));
}

export function offersOf({ nodes, orders }: Market, name: string | undefined): NodeOffer[] {
  return nodes.offers.flatMap((offer) => {
    const { supply, pricing } = offer.node;
    if (offer.standing < 0 || !supply || !pricing || (name !== undefined && offer.product.name !== name)) return [];
    return [
      {
        nodeId: offer.node.id,
        clusterId: supply.clusterId,
        product: offer.product.name,
        region: supply.region,
        label: labelOf(offer),
        price: offer.price,
        basePrice: pricing.basePrice,
        surge: pricing.surge,
        open: orders.openOf(offer.standing),
      },
    ];
  });
}

export function usesOf({ uses }: Market, name: string | undefined): ClusterUse[] {
  return uses.list.flatMap(({ clusterId, product, leased, sellableOrLeased, offers }) => {
    const [offer] = offers;
    if (!offer || (name !== undefined && product.name !== name)) return [];
    const region = offer.node.supply?.region ?? '';
    return [{ clusterId, product: product.name, region, leased, sellableOrLeased }];
  });
}

export function quoteOf(market: Market, wanted: QuoteRequest): { price: number; quantity: number }[] {
  const { orders, products } = market;
  const product = products.find(wanted.product);
  const region = wanted.region === null ? 0 : orders.regions.find(wanted.region);
  if (!product || (wanted.region !== null && region === 0)) return [];
  const { quantity, durationHours: duration } = wanted;
  const account = orders.accounts.find(wanted.accountId);
  return quoteFrom(orders.columns, product.book, { quantity, duration, region, account });
}

export function auctionsOf(market: Market, now: number): AuctionView[] {
  return market.products.list.flatMap((product) => {
    const clearsAt = nextAuction(product, now);
    const { interruptibleBids, interruptibleAsks, rules, name } = product;
    if (clearsAt === undefined || interruptibleBids.size + interruptibleAsks.size === 0) return [];
    const { price, volume, bidQuantity, askQuantity } = clearingOf(market, product);
    const closesAt = noCancelAt(product, clearsAt);
    return [
      {
        product: name,
        phase: now < closesAt ? ('open' as const) : ('no-cancel' as const),
        opensAt: clearsAt - rules.auctionIntervalS * 1000,
        noCancelAt: closesAt,
        clearsAt,
        indicativePrice: price,
        indicativeVolume: volume,
        bidQuantity,
        askQuantity,
      },
    ];
  });
}
