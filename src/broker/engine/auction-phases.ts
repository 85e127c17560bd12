// When a product's spot auction is open, when bids in it may only rise, and when it is cleared.
import type { Market } from './market.ts';
import { nextAuction, type Product } from './products.ts';

/** Whether an order is a bid in an auction that is in its no-cancel phase. */
export function isNoCancel(market: Market, slot: number, now: number): boolean {
  if (!market.orders.isInterruptible(slot) || !market.orders.isBid(slot)) return false;
  const product = market.productOf(slot);
  const clearsAt = nextAuction(product, now);
  return clearsAt !== undefined && now >= noCancelAt(product, clearsAt);
}

/** When the last part of an auction begins. */
export function noCancelAt({ rules }: Product, clearsAt: number): number {
  return clearsAt - rules.auctionNoCancelS * 1000;
}
