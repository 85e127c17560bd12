// Prices as they are given: to micro-dollars per GPU-hour, on the tick.
import { formatMoney, type MoneyInput, parseMoney } from '../../api/money.ts';
import { highestPrice, tick } from '../engine/order.ts';
import { invalid } from '../refusal.ts';

/**
 * Micro-dollars per GPU-hour.
 * @param field where in the request it stands
 * @throws Refusal `GPUB_INVALID` for one that is off the tick, zero, or beyond what is traded
 */
export function priceFrom(field: string, given: MoneyInput): number {
  const price = parseMoney(given);
  if (price !== undefined && price > 0 && price <= highestPrice && price % tick === 0) return price;
  const bounds = `US dollars per GPU-hour, above 0 and up to ${formatMoney(highestPrice)}`;
  throw invalid(field, given, `${bounds}, a multiple of ${formatMoney(tick)}`);
}
