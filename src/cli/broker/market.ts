// `gpubroker market depth|tape|auctions|products|spot|quote|index`: what everybody sees of the market.
import type { Auction, AuctionQuery, CurrentAuction, DepthQuery, TapeTrade } from '../../api/market.ts';
import type { PriceIndexQuery, PriceIndexWindow, PriceRequest, SpotPrice, SpotQuery } from '../../api/pricing.ts';
import type { MarketProduct } from '../../api/products.ts';
import type { Client } from '../../client/client.ts';
import { print, printJson, remark } from '../output.ts';
import { absent } from '../quantities.ts';
import { bookLines } from './book-view.ts';
import { type Columns, collect, pageFor, showList, showOne } from './show.ts';

const tapeColumns: Columns<TapeTrade> = {
  NUMBER: ({ number }) => number,
  AT: ({ executed_at }) => executed_at,
  PRICE: ({ price }) => price,
  GPUS: ({ quantity }) => quantity,
  HOURS: ({ duration_hours }) => duration_hours,
  INTERRUPTIBLE: ({ interruptible }) => (interruptible ? 'yes' : ''),
};

const currentColumns: Columns<CurrentAuction> = {
  PRODUCT: ({ gpu_type }) => gpu_type,
  PHASE: ({ phase }) => phase,
  CLEARS: ({ clears_at }) => clears_at,
  INDICATIVE: ({ indicative_price }) => indicative_price,
  VOLUME: ({ indicative_volume }) => indicative_volume,
  BIDS: ({ bid_quantity }) => bid_quantity,
  ASKS: ({ ask_quantity }) => ask_quantity,
};

const auctionColumns: Columns<Auction> = {
  CLEARED: ({ cleared_at }) => cleared_at,
  PRODUCT: ({ gpu_type }) => gpu_type,
  PRICE: ({ price }) => price,
  VOLUME: ({ volume }) => volume,
  BIDS: ({ bid_quantity }) => bid_quantity,
  ASKS: ({ ask_quantity }) => ask_quantity,
  IMBALANCE: ({ imbalance }) => imbalance,
};

const tradingColumns: Columns<MarketProduct> = {
  PRODUCT: ({ id }) => id,
  LAST: ({ last_price }) => last_price,
  STATE: ({ halted, halt_reason }) => (halted ? `halted: ${halt_reason ?? ''}` : 'trading'),
  ALLOCATION: ({ allocation }) => allocation,
  'TRADE PRICE': ({ trade_price }) => trade_price,
  'MIN LABEL': ({ min_label }) => min_label,
  'GPUS PER NODE': ({ gpus_per_node }) => gpus_per_node,
  AUCTION: ({ auction_interval_seconds }) => (auction_interval_seconds === 0 ? '' : `${auction_interval_seconds} s`),
};

const spotColumns: Columns<SpotPrice> = {
  PRODUCT: ({ gpu_type }) => gpu_type,
  REGION: ({ region }) => region,
  PRICE: ({ spot_price }) => spot_price,
  AVAILABLE: ({ available }) => available,
  LEASED: ({ leased, sellable_or_leased }) => `${leased}/${sellable_or_leased}`,
};

const indexColumns: Columns<PriceIndexWindow> = {
  FROM: ({ starts_at }) => starts_at,
  VWAP: ({ vwap }) => vwap,
  MIN: ({ min_price }) => min_price,
  MAX: ({ max_price }) => max_price,
  STDDEV: ({ stddev }) => stddev,
  TRADES: ({ trades }) => trades,
  GPUS: ({ gpus }) => gpus,
  'GPU-HOURS': ({ gpu_hours }) => gpu_hours,
  REVISION: ({ revision, final }) => (final ? `${revision}, final` : revision),
};

export async function showDepth(client: Client, json: boolean, query: DepthQuery): Promise<void> {
  const depth = await client.call('GET /market/depth', { query });
  if (json) return printJson(depth);
  print(`${depth.gpu_type}  last price ${depth.last_price ?? absent}${depth.halted ? '  HALTED' : ''}`);
  print(bookLines(depth).join('\n'));
}

export async function listTape(client: Client, json: boolean, product: string, limit: number): Promise<void> {
  const found = client.all('GET /market/trades', { query: { gpu_type: product, ...pageFor(limit) } });
  const nothing = `Nothing was traded of ${product}.`;
  showList(await collect(found, limit), { json, columns: tapeColumns, nothing });
}

export async function listAuctions(client: Client, json: boolean, query: AuctionQuery, limit: number): Promise<void> {
  const { current } = await client.call('GET /auctions', { query: { ...query, limit: 1 } });
  const past = await collect(client.all('GET /auctions', { query: { ...query, ...pageFor(limit) } }), limit);
  if (json) return printJson({ current, items: past });
  showList(current, { json, columns: currentColumns, nothing: 'No auction with an order is to come.' });
  if (past.length === 0) return remark('No auction had anything to clear yet.');
  print('');
  showList(past, { json, columns: auctionColumns, nothing: '' });
}

export async function listTrading(client: Client, json: boolean): Promise<void> {
  const { items } = await client.call('GET /products', {});
  showList(items, { json, columns: tradingColumns, nothing: 'The table of products is empty.' });
}

export async function listSpot(client: Client, json: boolean, query: SpotQuery): Promise<void> {
  const { items } = await client.call('GET /pricing/spot', { query });
  showList(items, { json, columns: spotColumns, nothing: 'Nothing is offered at a spot price.' });
}

export async function showQuote(client: Client, json: boolean, body: PriceRequest): Promise<void> {
  const { book, ...spot } = await client.call('POST /pricing/calculate', { body });
  if (json) return showOne({ ...spot, book }, json);
  const named = Object.entries(book).map(([name, value]) => [`book ${name}`, value]);
  showOne({ ...spot, ...Object.fromEntries(named) }, json);
}

export async function listIndex(client: Client, json: boolean, query: PriceIndexQuery, limit: number): Promise<void> {
  const items = await collect(client.all('GET /pricing/index', { query: { ...query, ...pageFor(limit) } }), limit);
  showList(items, { json, columns: indexColumns, nothing: 'Nothing was traded in this time.' });
}
