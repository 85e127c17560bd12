// What a plan would trade: columns that grow, and what a GPU-hour costs in each.
import { tick } from './order.ts';
import type { Orders } from './orders.ts';

const firstCapacity = 64;

/** Of one plan. The arrays are replaced when they grow: do not keep one. */
export class Fills {
  count = 0;
  /** Slots of the bids. */
  bid = new Int32Array(firstCapacity);
  /** Slots of the asks. */
  ask = new Int32Array(firstCapacity);
  /** GPUs. */
  quantity = new Int32Array(firstCapacity);
  /** Micro-dollars per GPU-hour. */
  price = new Float64Array(firstCapacity);

  add(orders: Orders, bid: number, ask: number, quantity: number, tradePrice: 'midpoint' | 'maker'): void {
    if (this.count === this.bid.length) this.grow();
    const at = this.count++;
    this.bid[at] = bid;
    this.ask[at] = ask;
    this.quantity[at] = quantity;
    this.price[at] = tradePriceOf(orders, bid, ask, tradePrice);
  }

  private grow(): void {
    const capacity = this.bid.length * 2;
    const bid = new Int32Array(capacity);
    const ask = new Int32Array(capacity);
    const quantity = new Int32Array(capacity);
    const price = new Float64Array(capacity);
    bid.set(this.bid);
    ask.set(this.ask);
    quantity.set(this.quantity);
    price.set(this.price);
    this.bid = bid;
    this.ask = ask;
    this.quantity = quantity;
    this.price = price;
  }
}

/** Micro-dollars per GPU-hour. A tick is even, so the midpoint of two prices is whole. */
function tradePriceOf(orders: Orders, bid: number, ask: number, tradePrice: 'midpoint' | 'maker'): number {
  const bidPrice = orders.price[bid] as number;
  const askPrice = orders.price[ask] as number;
  if (tradePrice === 'midpoint') return (bidPrice + askPrice) * (tick / 2);
  const bidIsOlder = orders.priorityOf(bid) < orders.priorityOf(ask);
  return (bidIsOlder ? bidPrice : askPrice) * tick;
}
