// What admins do to the market: halt and resume it, stop accounts, have everything matched again.
import type { Command, Outcome } from './commands.ts';
import type { Market } from './market.ts';
import { bringInLine } from './offering.ts';
import { endOrder } from './order-life.ts';
import { allProducts, type Product } from './products.ts';
import { conflict } from './refusals.ts';

/** A product, or all, is not traded any more; orders can be cancelled still. */
export function halt(market: Market, name: string | null, reason: string): Outcome {
  const product = market.products.of(name ?? allProducts);
  product.haltReason = reason;
  market.tellProduct(product);
  return { result: {} };
}

/** A product, or each, is traded again, and what may trade does. */
export function resume(market: Market, name: string | null, now: number): Outcome {
  const { products } = market;
  const all = products.find(allProducts);
  if (name !== null && all && all.haltReason !== null) {
    return {
      refusal: conflict('GPUB_MARKET_HALTED', `the whole market is halted (${all.haltReason}): resume it as a whole`),
    };
  }
  const resumed = products.list.filter(
    (product) => product.haltReason !== null && (name === null || product.name === name),
  );
  resumed.sort((one, other) => (one.name < other.name ? -1 : 1));
  for (const product of resumed) {
    product.haltReason = null;
    market.tellProduct(product);
  }
  if (resumed.length > 0) matchAgain(market, name, now);
  return { result: { trades: [...market.made] } };
}

/** Offers every resting order again. */
export function match(market: Market, name: string | null, now: number): Outcome {
  matchAgain(market, name, now);
  return { result: { trades: [...market.made] } };
}

function matchAgain(market: Market, name: string | null, now: number): void {
  const again = market.products.list
    .filter((product) => name === null || product.name === name)
    .filter((product) => isCrossed(market, product));
  const slots = again.flatMap(({ book }) => [...book.slots(0), ...book.slots(1)]);
  slots.sort((one, other) => market.orders.priorityOf(one) - market.orders.priorityOf(other));
  for (const slot of slots) {
    // An order before it may have taken all that it had.
    const { book } = market.productOf(slot);
    if (!book.has(slot)) continue;
    book.remove(slot);
    market.incoming.add(slot);
    bringInLine(market, now);
  }
  bringInLine(market, now);
}

/** Whether any of its orders could trade, as far as prices go. */
function isCrossed({ products }: Market, product: Product): boolean {
  if (products.haltOf(product) !== null) return false;
  const [bid] = product.book.depth(0, 1);
  const [ask] = product.book.depth(1, 1);
  return bid !== undefined && ask !== undefined && bid.price >= ask.price;
}

/** Cancels what an account, or everybody, has open, and takes no more orders from it. */
export function kill(market: Market, { accountId, reason }: Extract<Command, { kind: 'kill' }>, now: number): Outcome {
  const { orders, killed } = market;
  if (killed.get(accountId) !== reason) {
    killed.set(accountId, reason);
    market.events.push({ type: 'killed', accountId, reason });
  }
  const slots = orders
    .slotsInTime()
    .filter((slot) => !orders.isStanding(slot) && (accountId === null || orders.accountOf(slot) === accountId));
  for (const slot of slots) endOrder(market, slot, 'cancelled', 'kill-switch', now);
  bringInLine(market, now);
  return { result: { cancelled: slots.length } };
}

export function revive({ killed, events }: Market, accountId: string | null): Outcome {
  if (killed.delete(accountId)) events.push({ type: 'revived', accountId });
  return { result: {} };
}
