// What happened in the engine. The tables hold nothing that does not follow from these; see commit/.
import type { IndexWindow } from './commands.ts';
import type { OrderImage, OrderProgress, ProductRules, Trade } from './order.ts';
import type { NodePricing, NodeSupply } from './supply.ts';

/** An account of the ledger: money of somebody, of one kind. `outside` is where deposits come from. */
export interface LedgerAccount {
  readonly accountId: string | null;
  /** `available`: free to spend. `escrow`: held back. `outside`: not here; of nobody, and may be negative. */
  readonly kind: 'available' | 'escrow' | 'outside';
}

export type TransferReason = 'deposit' | 'withdrawal' | 'escrow' | 'release' | 'capture';

/** Money moves from one account of the ledger to another: that is both of its entries. */
export interface Transfer {
  readonly from: LedgerAccount;
  readonly to: LedgerAccount;
  /** Micro-dollars, above 0. */
  readonly amount: number;
  readonly reason: TransferReason;
  readonly orderId: string | null;
  readonly tradeId: string | null;
  /** Of deposits and withdrawals: their id and what the outside calls them. */
  readonly id: string | null;
  readonly reference: string;
}

/** The state of a product, besides its book. */
export interface ProductState {
  readonly product: string;
  readonly rules: ProductRules;
  /** Null while it trades. */
  readonly haltReason: string | null;
  /** Of the last trade, in micro-dollars; null before the first. */
  readonly lastPrice: number | null;
}

/** A spot auction that had something to clear. */
export interface Auction {
  readonly id: string;
  readonly product: string;
  readonly clearedAt: number;
  /** Null where nothing could trade. */
  readonly price: number | null;
  /** GPUs that were traded. */
  readonly volume: number;
  readonly bidQuantity: number;
  readonly askQuantity: number;
  /** Bids less asks at the price. */
  readonly imbalance: number;
}

/** What the broker keeps of a standing ask besides the order. */
export interface StandingAsk {
  readonly orderId: string;
  readonly nodeId: string;
  readonly product: string;
  readonly repricedAt: number;
}

export type EngineEvent =
  | { readonly type: 'order-created'; readonly order: OrderImage }
  /** `cause`: what a topic of events is told; `priced` and `resized` are the broker's doing. */
  | {
      readonly type: 'order-changed';
      readonly cause: 'filled' | 'cancelled' | 'expired' | 'rejected' | 'amended' | 'priced' | 'resized';
      readonly progress: OrderProgress;
    }
  | { readonly type: 'standing-ask'; readonly ask: StandingAsk }
  | { readonly type: 'trade'; readonly trade: Trade }
  /** Settled, given notice, ended: the trade as it is then. */
  | { readonly type: 'trade-changed'; readonly cause: 'settled' | 'notice' | 'ended'; readonly trade: Trade }
  | { readonly type: 'transfer'; readonly transfer: Transfer }
  | { readonly type: 'supply'; readonly node: NodeSupply }
  | { readonly type: 'pricing'; readonly pricing: NodePricing }
  | { readonly type: 'pricing-removed'; readonly nodeId: string }
  | { readonly type: 'product'; readonly state: ProductState }
  /** `accountId`: null for everybody. */
  | { readonly type: 'killed'; readonly accountId: string | null; readonly reason: string }
  | { readonly type: 'revived'; readonly accountId: string | null }
  | { readonly type: 'auction'; readonly auction: Auction }
  | { readonly type: 'index'; readonly window: IndexWindow };
