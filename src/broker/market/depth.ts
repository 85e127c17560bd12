// The book of a product as everybody may see it: prices with what rests there, and no names.
import type { DepthQuery, Depth as DepthView } from '../../api/market.ts';
import { formatMoney } from '../../api/money.ts';
import type { DepthLevel, EngineView } from '../engine/contract.ts';
import type { MarketContext } from './orders.ts';

/** A book at a moment at which all that is in it is durable. */
export interface BookAt {
  readonly product: string;
  readonly seq: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly bids: readonly DepthLevel[];
  readonly asks: readonly DepthLevel[];
  /** Micro-dollars. */
  readonly lastPrice: number | null;
  readonly halted: boolean;
}

/** @param place the last durable command, and the time, in milliseconds since 1970 */
export function bookAt(
  engine: EngineView,
  { seq, at }: Pick<BookAt, 'seq' | 'at'>,
  product: string,
  levels: number,
): BookAt {
  const { bids, asks } = engine.depth(product, levels);
  const { lastPrice, haltReason } = engine.product(product);
  return { product, seq, at, bids, asks, lastPrice, halted: haltReason !== null };
}

/** @param levels of each side */
export function depthView(book: BookAt, levels: number): DepthView {
  return {
    gpu_type: book.product,
    seq: book.seq,
    at: new Date(book.at).toISOString(),
    bids: book.bids.slice(0, levels).map(levelView),
    asks: book.asks.slice(0, levels).map(levelView),
    last_price: book.lastPrice === null ? null : formatMoney(book.lastPrice),
    halted: book.halted,
  };
}

function levelView({ price, quantity, orders }: DepthLevel): DepthView['bids'][number] {
  return { price: formatMoney(price), quantity, orders };
}

/** @throws Refusal `GPUB_UNKNOWN_PRODUCT`; of the pipeline */
export async function readDepth({ names, pipeline, now }: MarketContext, query: DepthQuery): Promise<DepthView> {
  const { gpu_type, levels = 20 } = query;
  const product = await names.resolve(gpu_type, 'query.gpu_type');
  const at = now().getTime();
  const book = await pipeline.read((engine, seq) => bookAt(engine, { seq, at }, product, levels));
  return depthView(book, levels);
}
