// What resting asks would charge a bid that gives any price: read from the book, without an order.
import type { Book } from './book.ts';
import { tick } from './order.ts';
import { askSide, type Orders } from './orders.ts';

/** A bid as far as a quote looks at it, in the numbers of {@link Orders}. */
export interface QuotedBid {
  readonly quantity: number;
  readonly duration: number;
  /** 0 for any. */
  readonly region: number;
  readonly account: number;
}

/** The cheapest asks that sell it, oldest first within a price; prices in micro-dollars per GPU-hour. */
export function quoteFrom(
  orders: Orders,
  book: Pick<Book, 'slots'>,
  { quantity, duration, region, account }: QuotedBid,
): { price: number; quantity: number }[] {
  const found: { price: number; quantity: number }[] = [];
  let left = quantity;
  for (const slot of book.slots(askSide)) {
    if (left === 0) break;
    const suits =
      (orders.duration[slot] as number) >= duration &&
      orders.account[slot] !== account &&
      (region === 0 || orders.region[slot] === region);
    if (!suits) continue;
    const taken = Math.min(left, orders.open[slot] as number);
    left -= taken;
    found.push({ price: (orders.price[slot] as number) * tick, quantity: taken });
  }
  return found;
}
