// Reads the tape for the price index: the sums of each window, and where what was published differs from them.
import { sql } from 'kysely';
import { firstId } from '../../ids.ts';
import type { Queryable } from '../../storage/database.ts';
import { type TapeSums, windowLength } from './windows.ts';

/** A window whose trades are not those of its latest revision. */
export interface Unpublished {
  readonly sums: TapeSums;
  /** Of what was published last; undefined if nothing was. */
  readonly revision: number | undefined;
}

/**
 * Compares windows with the tape, oldest first. Trades are never changed or removed, so a window whose count is as
 * published is as published.
 * @param from beginning of the first window, in milliseconds since 1970
 * @param to end of the last window
 */
export async function unpublishedWindows(db: Queryable, from: number, to: number): Promise<Unpublished[]> {
  // Ids of trades begin with the time of the trade, so that the primary key finds a window.
  const { rows } = await sql<Row>`
    with tape as (
      select product, floor(extract(epoch from executed_at) * 1000 / ${windowLength})::bigint as place, count(*) as trades,
        sum(quantity)::bigint as gpus, sum(quantity::bigint * duration_hours)::bigint as gpu_hours,
        sum(quantity::numeric * price)::text as volume, sum(quantity::numeric * price * price)::text as squares,
        min(price) as min_price, max(price) as max_price
      from trades where id >= ${firstId(from)} and id < ${firstId(to)}
      group by 1, 2
    )
    select tape.*, latest.revision from tape
    left join lateral (
      select trades, revision from price_index
      where price_index.product = tape.product
        and starts_at = to_timestamp(tape.place * ${windowLength / 1000})
      order by revision desc limit 1
    ) as latest on true
    where latest.trades is distinct from tape.trades
    order by tape.place, tape.product`.execute(db);
  return rows.map((row) => ({ sums: sumsOf(row), revision: row.revision ?? undefined }));
}

interface Row {
  readonly product: string;
  /** Windows since 1970. */
  readonly place: number;
  readonly trades: number;
  readonly gpus: number;
  readonly gpu_hours: number;
  readonly volume: string;
  readonly squares: string;
  readonly min_price: number;
  readonly max_price: number;
  readonly revision: number | null;
}

function sumsOf(row: Row): TapeSums {
  return {
    product: row.product,
    startsAt: row.place * windowLength,
    trades: row.trades,
    gpus: row.gpus,
    gpuHours: row.gpu_hours,
    volume: BigInt(row.volume),
    squares: BigInt(row.squares),
    minPrice: row.min_price,
    maxPrice: row.max_price,
  };
}
