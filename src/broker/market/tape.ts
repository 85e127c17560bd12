// The tape: every trade of a product, without names.
import { Type } from 'typebox';
import type { Tape, TapeQuery, TapeTrade } from '../../api/market.ts';
import { formatMoney } from '../../api/money.ts';
import type { Trade } from '../engine/order.ts';
import { cursorReader, pageOf } from '../paging.ts';
import type { Database } from '../storage/database.ts';
import type { MarketContext } from './orders.ts';

const readNumber = cursorReader(Type.Tuple([Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })]));

/** What the tape shows of a trade. */
export type PublicTrade = Pick<
  Trade,
  'number' | 'product' | 'price' | 'quantity' | 'durationHours' | 'interruptible' | 'executedAt'
>;

export function tapeView(trade: PublicTrade): TapeTrade {
  return {
    number: trade.number,
    gpu_type: trade.product,
    price: formatMoney(trade.price),
    quantity: trade.quantity,
    duration_hours: trade.durationHours,
    interruptible: trade.interruptible,
    executed_at: new Date(trade.executedAt).toISOString(),
  };
}

function tapeOf(db: Database, product: string) {
  return db
    .selectFrom('trades')
    .select(['number', 'product', 'price', 'quantity', 'duration_hours', 'interruptible', 'executed_at'])
    .where('product', '=', product);
}

type TapeRow = Awaited<ReturnType<ReturnType<typeof tapeOf>['execute']>>[number];

function tradeOf({ duration_hours, executed_at, ...row }: TapeRow): PublicTrade {
  return { ...row, durationHours: duration_hours, executedAt: executed_at.getTime() };
}

/** Newest first. @throws Refusal `GPUB_INVALID`, `GPUB_UNKNOWN_PRODUCT` */
export async function listTape({ db, names }: MarketContext, query: TapeQuery): Promise<Tape> {
  const { limit = 50, cursor, gpu_type } = query;
  const place = readNumber(cursor)?.[0];
  let trades = tapeOf(db, await names.resolve(gpu_type, 'query.gpu_type'));
  if (place !== undefined) trades = trades.where('number', '<', place);
  const rows = await trades
    .orderBy('number', 'desc')
    .limit(limit + 1)
    .execute();
  return pageOf(
    rows,
    limit,
    ({ number }) => [number],
    (row) => tapeView(tradeOf(row)),
  );
}

/** The next trades of a product after one, oldest first. */
export async function tapeAfter(db: Database, product: string, number: number, limit: number): Promise<PublicTrade[]> {
  const rows = await tapeOf(db, product).where('number', '>', number).orderBy('number').limit(limit).execute();
  return rows.map(tradeOf);
}
