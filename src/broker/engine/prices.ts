// The arithmetic of prices and costs: whole micro-dollars, exact over the whole range of orders.
import { tick } from './order.ts';

const secondsPerHour = 3600;

/** The trade price between a bid and an ask: their midpoint, an odd half rounded down. */
export function midpoint(bid: number, ask: number): number {
  return Math.floor((bid + ask) / 2);
}

/**
 * What so many GPUs cost for so many whole hours, in micro-dollars: what an order and a trade hold back.
 * @returns undefined where it is more than a number keeps exactly
 */
export function costOfHours(price: number, quantity: number, hours: number): number | undefined {
  // A product beyond 2^53 is never rounded to below it, so the check sees every loss.
  const cost = price * quantity * hours;
  return Number.isSafeInteger(cost) ? cost : undefined;
}

/**
 * What a lease has cost in all after so many seconds: price × quantity × seconds ÷ 3600, rounded down. Exact wherever
 * the cost of the hours begun is (see {@link costOfHours}).
 */
export function costOfSeconds(price: number, quantity: number, seconds: number): number {
  const hourly = price * quantity;
  const rest = seconds % secondsPerHour;
  const hours = (seconds - rest) / secondsPerHour;
  // The hourly cost is split as well: multiplied by seconds as a whole it would pass 2^53.
  const perSecond = Math.floor(hourly / secondsPerHour);
  return hourly * hours + perSecond * rest + Math.floor(((hourly % secondsPerHour) * rest) / secondsPerHour);
}

/**
 * The spot price of a node: base × (1 + 2 × (leased ÷ all)²), rounded half-up to the tick.
 * @param leased GPUs of the product in the cluster that are leased
 * @param all those that are sellable or leased; 0 stands for no use
 */
export function spotPrice(base: number, leased: number, all: number): number {
  const square = all * all;
  const weight = square + 2 * leased * leased;
  if (leased === 0 || all === 0) return Math.floor((base + tick / 2) / tick) * tick;
  const numerator = base * weight + (tick / 2) * square;
  if (Number.isSafeInteger(numerator)) return Math.floor(numerator / (tick * square)) * tick;
  const exact = BigInt(base) * BigInt(weight) + BigInt(tick / 2) * BigInt(square);
  return Number(exact / (BigInt(tick) * BigInt(square))) * tick;
}
