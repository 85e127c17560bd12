// Orders, trades and the rules of a product, as plain data. Money is whole micro-dollars, GPUs are whole, times are
// milliseconds since 1970 in UTC.

export type Side = 'bid' | 'ask';
export type TimeInForce = 'gtc' | 'ioc' | 'fok' | 'gtd';
/** `node`: all GPUs on one node. `cluster`: all in one cluster. */
export type Placement = 'any' | 'node' | 'cluster';
/** Lowest first. */
export const labels = ['simulated', 'self-reported', 'measured', 'challenge-verified'] as const;
export type Label = (typeof labels)[number];
export type OrderStatus = 'pending' | 'partial' | 'filled' | 'cancelled' | 'expired' | 'rejected';

/** Prices are multiples of this many micro-dollars per GPU-hour. */
export const tick = 100;
/** Micro-dollars per GPU-hour: 10,000 USD. */
export const highestPrice = 10_000_000_000;
export const mostGpus = 10_000;
export const longestHours = 8_760;

/** What somebody orders. Every field is present; what does not apply is null or its neutral value. */
export interface NewOrder {
  readonly id: string;
  readonly accountId: string;
  /** Who acts for the account; null for the broker itself. Kept, and not looked at. */
  readonly userId: string | null;
  /** The caller's own name for it. Kept, and not looked at. */
  readonly clientOrderId: string | null;
  readonly side: Side;
  readonly product: string;
  readonly quantity: number;
  readonly price: number;
  /** Of a bid: how long. Of an ask: the longest lease that it is open for. */
  readonly durationHours: number;
  readonly timeInForce: TimeInForce;
  /** Of `gtd` only. */
  readonly expiresAt: number | null;
  /** Of bids, as the next four; asks have the neutral values false, 1, 'any', null, 0. */
  readonly allOrNone: boolean;
  readonly minQuantity: number;
  readonly placement: Placement;
  readonly region: string | null;
  readonly minScore: number;
  /** Of bids; null takes the product's. */
  readonly minLabel: Label | null;
  /** Of asks. */
  readonly nodeId: string | null;
  /** Trades in spot auctions alone. */
  readonly interruptible: boolean;
}

/** What changes in an order after it was made. */
export interface OrderProgress {
  readonly id: string;
  readonly status: OrderStatus;
  readonly quantity: number;
  readonly price: number;
  readonly durationHours: number;
  /** Still to be filled; 0 once the order is over. */
  readonly open: number;
  readonly filled: number;
  /** Held back from the account for what is open, in micro-dollars. */
  readonly escrow: number;
  /** Its place in time: a lower one is served first. */
  readonly priority: number;
  readonly at: number;
  /** Why it is over, or was changed by the broker; '' otherwise. */
  readonly reason: string;
}

/** An order as it stands. */
export interface OrderImage extends NewOrder, Omit<OrderProgress, 'id' | 'quantity' | 'price' | 'durationHours'> {
  readonly createdAt: number;
  /** Whether the broker keeps it for a priced node. */
  readonly standing: boolean;
}

/** A trade, and the hold on the GPUs that it sold. */
export interface Trade {
  readonly id: string;
  /** Counts from 1, over all products. */
  readonly number: number;
  readonly product: string;
  readonly bidOrderId: string;
  readonly askOrderId: string;
  readonly buyerAccountId: string;
  readonly sellerAccountId: string;
  readonly nodeId: string;
  readonly clusterId: string;
  readonly gpuIds: readonly string[];
  readonly quantity: number;
  /** Micro-dollars per GPU-hour. */
  readonly price: number;
  /** Of the bid: what an interruptible lease may be outbid above. */
  readonly bidPrice: number;
  readonly durationHours: number;
  readonly executedAt: number;
  /** When the hold ends by itself; earlier after a notice of interruption. */
  readonly endsAt: number;
  readonly interruptible: boolean;
  readonly auctionId: string | null;
  /** Still held back from the buyer for it, in micro-dollars. */
  readonly escrow: number;
  /** Seconds that were paid so far. */
  readonly settledSeconds: number;
  /** What was paid so far, in micro-dollars. */
  readonly captured: number;
  /** When the hold ended; null while it holds. */
  readonly endedAt: number | null;
  readonly endReason: string;
  /** When its GPUs will be taken back for a higher bid; null without such a notice. */
  readonly reclaimAt: number | null;
}

/** How a product is traded; an admin may change it. */
export interface ProductRules {
  readonly allocation: 'pro-rata' | 'price-time';
  readonly tradePrice: 'midpoint' | 'maker';
  /** The smallest pro-rata share; smaller ones are zero. */
  readonly minShare: number;
  /** The lowest label that is sold. */
  readonly minLabel: Label;
  readonly gpusPerNode: number;
  /** How far, in basis points, a price may be from the last trade's; null for any. */
  readonly bandBps: number | null;
  /** Time between spot auctions, aligned to 1970, in seconds; 0 for none. */
  readonly auctionIntervalS: number;
  /** The last part of it, in which bids may only rise. */
  readonly auctionNoCancelS: number;
  /** The longest lease that an auction sells. */
  readonly auctionHours: number;
  /** Between the notice of an interruption and its end, in seconds. */
  readonly interruptionNoticeS: number;
}

/** The rules of a product that nobody has changed. */
export function defaultRules(product: string): ProductRules {
  return {
    allocation: 'pro-rata',
    tradePrice: 'midpoint',
    minShare: 1,
    minLabel: product.startsWith('SIM-') ? 'simulated' : 'self-reported',
    gpusPerNode: 8,
    bandBps: null,
    auctionIntervalS: 900,
    auctionNoCancelS: 120,
    auctionHours: 24,
    interruptionNoticeS: 120,
  };
}
