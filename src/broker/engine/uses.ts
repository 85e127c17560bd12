// How much of a product is leased in a cluster: surge prices follow from it.
import type { Offer } from './nodes.ts';
import { tick } from './order.ts';
import { spotPrice } from './prices.ts';
import type { Product } from './products.ts';

/** A surge price changes at most once in this time, in milliseconds. */
export const repriceInterval = 60_000;

export interface Use {
  readonly number: number;
  readonly clusterId: string;
  readonly product: Product;
  leased: number;
  sellableOrLeased: number;
  readonly offers: Set<Offer>;
  /** None of its surge prices may change before; Infinity where it has none. */
  calmUntil: number;
  /** When its prices are looked at again; Infinity for not by themselves. */
  checkAt: number;
}

export class Uses {
  readonly list: Use[] = [];
  private readonly byPlace = new Map<Product, Map<string, Use>>();

  of(clusterId: string, product: Product): Use {
    const clusters = this.byPlace.get(product) ?? new Map<string, Use>();
    this.byPlace.set(product, clusters);
    let use = clusters.get(clusterId);
    if (!use) {
      use = {
        number: this.list.length,
        clusterId,
        product,
        leased: 0,
        sellableOrLeased: 0,
        offers: new Set(),
        calmUntil: Number.POSITIVE_INFINITY,
        checkAt: Number.POSITIVE_INFINITY,
      };
      this.list.push(use);
      clusters.set(clusterId, use);
    }
    return use;
  }
}

/** Looks after the surge price of an offer, where it has one, from now on. */
export function watch(use: Use, offer: Offer): void {
  if (!hasSurgePrice(offer)) return;
  use.calmUntil = Math.min(use.calmUntil, offer.repricedAt + repriceInterval);
}

export function hasSurgePrice({ standing, node }: Offer): boolean {
  return standing >= 0 && node.pricing?.surge === true;
}

/** By product and cluster. */
export function isBefore(one: Use, other: Use): boolean {
  return one.product === other.product ? one.clusterId < other.clusterId : one.product.name < other.product.name;
}

/** What a node's standing ask costs at a use, in micro-dollars per GPU-hour. */
export function priceAt({ leased, sellableOrLeased }: Use, offer: Offer): number {
  const { basePrice, surge } = offer.node.pricing ?? { basePrice: 0, surge: false };
  return surge ? spotPrice(basePrice, leased, sellableOrLeased) : Math.floor((basePrice + tick / 2) / tick) * tick;
}
