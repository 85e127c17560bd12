// How the book of a product looks: asks above bids, with a bar for what rests at each price.
import { coloured, formatTable } from '../output.ts';
import { absent } from '../quantities.ts';

/** A price and what rests there. */
export interface Level {
  /** US dollars per GPU-hour. */
  readonly price: string;
  /** GPUs. */
  readonly quantity: number;
  readonly orders: number;
}

export interface Book {
  readonly bids: readonly Level[];
  readonly asks: readonly Level[];
}

/** Characters of the longest bar. */
const widest = 24;

/** Lines of a table; the best prices meet in the middle. @param levels of each side, at most */
export function bookLines({ bids, asks }: Book, levels = Number.POSITIVE_INFINITY): string[] {
  const [shownBids, shownAsks] = [bids.slice(0, levels), asks.slice(0, levels)];
  const most = Math.max(1, ...[...shownBids, ...shownAsks].map(({ quantity }) => quantity));
  const row = (side: 'ASK' | 'BID', { price, quantity, orders }: Level) => {
    const bar = '█'.repeat(Math.max(1, Math.round((widest * quantity) / most)));
    return [side, price, String(quantity), String(orders), coloured(side === 'ASK' ? 'red' : 'green', bar)];
  };
  const none = (side: 'ASK' | 'BID') => [side, absent, '0', '0', ''];
  const rows = [
    ...(shownAsks.length > 0 ? shownAsks.map((level) => row('ASK', level)).reverse() : [none('ASK')]),
    ...(shownBids.length > 0 ? shownBids.map((level) => row('BID', level)) : [none('BID')]),
  ];
  return formatTable([['SIDE', 'PRICE', 'GPUS', 'ORDERS', ''], ...rows]).split('\n');
}

/** The best of each side in one line: `bid 2.40 x 16  ask 2.60 x 8`. */
export function bestLine({ bids: [bid], asks: [ask] }: Book): string {
  const side = (name: string, level: Level | undefined) =>
    level === undefined ? `${name} ${absent}` : `${name} ${level.price} x ${level.quantity}`;
  return `${side('bid', bid)}  ${side('ask', ask)}`;
}
