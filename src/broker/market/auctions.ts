// Spot auctions: those that are still to clear, with what they would clear at, and those that have cleared.
import { type Selectable, sql } from 'kysely';
import { Type } from 'typebox';
import type { Auction, AuctionPage, AuctionQuery, CurrentAuction } from '../../api/market.ts';
import { formatMoney } from '../../api/money.ts';
import type { AuctionView } from '../engine/contract.ts';
import { cursorReader, pageOf } from '../paging.ts';
import type { Schema } from '../storage/schema.ts';
import type { MarketContext } from './orders.ts';

const readPlace = cursorReader(
  Type.Tuple([Type.String({ pattern: '^\\d{4}-[0-9:T.-]{1,20}Z$' }), Type.String({ pattern: '^[0-9a-f-]{36}$' })]),
);

/** Newest first. @throws Refusal `GPUB_INVALID`, `GPUB_UNKNOWN_PRODUCT` */
export async function listAuctions(
  { db, names, pipeline, now }: MarketContext,
  query: AuctionQuery,
): Promise<AuctionPage> {
  const { limit = 50, cursor, gpu_type } = query;
  const place = readPlace(cursor);
  const product = gpu_type === undefined ? undefined : await names.resolve(gpu_type, 'query.gpu_type');
  let auctions = db.selectFrom('auctions').selectAll();
  if (product !== undefined) auctions = auctions.where('product', '=', product);
  if (place) auctions = auctions.where(sql<boolean>`(cleared_at, id) < (${place[0]}::timestamptz, ${place[1]}::uuid)`);
  const rows = await auctions
    .orderBy('cleared_at', 'desc')
    .orderBy('id', 'desc')
    .limit(limit + 1)
    .execute();
  const at = now().getTime();
  const current = await pipeline.read((engine) => engine.auctions(Math.max(at, engine.now)));
  return {
    ...pageOf(rows, limit, ({ cleared_at, id }) => [cleared_at.toISOString(), id], auctionView),
    current: current.filter((auction) => product === undefined || auction.product === product).map(currentView),
  };
}

function auctionView(row: Selectable<Schema['auctions']>): Auction {
  const { id, product, cleared_at, price, volume, bid_quantity, ask_quantity, imbalance } = row;
  return {
    id,
    gpu_type: product,
    cleared_at: cleared_at.toISOString(),
    price: price === null ? null : formatMoney(price),
    volume,
    bid_quantity,
    ask_quantity,
    imbalance,
  };
}

function currentView(auction: AuctionView): CurrentAuction {
  const { indicativePrice } = auction;
  return {
    gpu_type: auction.product,
    phase: auction.phase,
    opens_at: new Date(auction.opensAt).toISOString(),
    no_cancel_at: new Date(auction.noCancelAt).toISOString(),
    clears_at: new Date(auction.clearsAt).toISOString(),
    indicative_price: indicativePrice === null ? null : formatMoney(indicativePrice),
    indicative_volume: auction.indicativeVolume,
    bid_quantity: auction.bidQuantity,
    ask_quantity: auction.askQuantity,
  };
}
