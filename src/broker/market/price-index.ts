// The price index as it was published: windows of a product, with all of their revisions or one of each.
import { sql } from 'kysely';
import { Type } from 'typebox';
import { formatMoney } from '../../api/money.ts';
import type { PriceIndexPage, PriceIndexQuery, PriceIndexWindow } from '../../api/pricing.ts';
import { cursorReader, pageOf } from '../paging.ts';
import { invalid } from '../refusal.ts';
import { isFinalAt, windowLength } from './index/windows.ts';
import type { MarketContext } from './orders.ts';

/** The window's beginning and the revision. */
const readPlace = cursorReader(
  Type.Tuple([Type.Integer({ minimum: 0, maximum: 8.64e15 }), Type.Integer({ minimum: 0 })]),
);

/** Oldest first. @throws Refusal `GPUB_INVALID`, `GPUB_UNKNOWN_PRODUCT` */
export async function priceIndex(
  { db, names, now }: Pick<MarketContext, 'db' | 'names' | 'now'>,
  { gpu_type, from, to, revision = 'latest', limit = 50, cursor }: PriceIndexQuery,
): Promise<PriceIndexPage> {
  const product = await names.resolve(gpu_type, 'query.gpu_type');
  const place = readPlace(cursor);
  let windows = db.selectFrom('price_index').selectAll().where('product', '=', product);
  if (from !== undefined) windows = windows.where('starts_at', '>=', timeFrom('query.from', from));
  if (to !== undefined) windows = windows.where('starts_at', '<', timeFrom('query.to', to));
  if (place) windows = windows.where(sql<boolean>`(starts_at, revision) > (${new Date(place[0])}, ${place[1]})`);
  if (revision === 'first') windows = windows.where('revision', '=', 0);
  if (revision === 'latest') {
    windows = windows.where(sql<boolean>`not exists (
      select from price_index later where later.product = price_index.product
        and later.starts_at = price_index.starts_at and later.revision > price_index.revision)`);
  }
  const rows = await windows
    .orderBy('starts_at')
    .orderBy('revision')
    .limit(limit + 1)
    .execute();
  const at = now().getTime();
  return pageOf(
    rows,
    limit,
    (row) => [row.starts_at.getTime(), row.revision],
    (row) => view(row, at),
  );
}

interface IndexRow extends Pick<PriceIndexWindow, 'revision' | 'final' | 'trades' | 'gpus' | 'gpu_hours'> {
  readonly product: string;
  readonly starts_at: Date;
  readonly volume: number;
  readonly vwap: number;
  readonly min_price: number;
  readonly max_price: number;
  readonly stddev: number;
  readonly published_at: Date;
}

/** A window for which nothing came late keeps its first revision, which then is final without having been changed. */
function view({ product, starts_at, published_at, ...row }: IndexRow, now: number): PriceIndexWindow {
  return {
    ...row,
    final: row.final || isFinalAt(starts_at.getTime(), now),
    gpu_type: product,
    starts_at: starts_at.toISOString(),
    ends_at: new Date(starts_at.getTime() + windowLength).toISOString(),
    volume: formatMoney(row.volume),
    vwap: formatMoney(row.vwap),
    min_price: formatMoney(row.min_price),
    max_price: formatMoney(row.max_price),
    stddev: formatMoney(row.stddev),
    published_at: published_at.toISOString(),
  };
}

function timeFrom(field: string, text: string): Date {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) throw invalid(field, text, 'a time');
  return at;
}
