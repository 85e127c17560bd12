// What the engine is, for those who run it: commands in, events out; the same commands make the same state.
import type { Command, EngineRefusal, Outcome } from './commands.ts';
import type { EngineEvent, ProductState, StandingAsk } from './events.ts';
import type { Label, NewOrder, OrderImage, Side, Trade } from './order.ts';
import type { NodePricing, NodeSupply } from './supply.ts';

/** What the state consists of, in this order; orders by priority. A snapshot is a list of these. */
export type EngineRecord =
  | {
      readonly type: 'counters';
      /** Time of the last command. */
      readonly now: number;
      readonly trades: number;
      readonly priority: number;
      /** Ids that the engine made. */
      readonly ids: number;
    }
  | { readonly type: 'product'; readonly state: ProductState }
  | { readonly type: 'killed'; readonly accountId: string | null; readonly reason: string }
  | { readonly type: 'wallet'; readonly accountId: string; readonly available: number; readonly escrow: number }
  | { readonly type: 'supply'; readonly node: NodeSupply }
  | { readonly type: 'pricing'; readonly pricing: NodePricing }
  /** One whose hold has not ended. */
  | { readonly type: 'trade'; readonly trade: Trade }
  /** One that is not over; standing asks too, also while they have nothing to sell. */
  | { readonly type: 'order'; readonly order: OrderImage }
  | { readonly type: 'standing-ask'; readonly ask: StandingAsk };

/** A price and what rests there. */
export interface DepthLevel {
  /** Micro-dollars per GPU-hour. */
  readonly price: number;
  readonly quantity: number;
  readonly orders: number;
}

/** The book of a product without names, best prices first. Interruptible orders are not in it: see {@link AuctionView}. */
export interface Depth {
  readonly product: string;
  readonly bids: readonly DepthLevel[];
  readonly asks: readonly DepthLevel[];
}

/**
 * What an order would do now. An ask of a node whose GPUs differ in score or label can do more: once the worst of them are
 * sold, the rest suits more bids.
 */
export interface Preview {
  readonly refusal?: EngineRefusal;
  /** With the bid's and ask's limit prices: the trade price, per GPU-hour, and how many GPUs of which node. */
  readonly fills: readonly { readonly price: number; readonly quantity: number; readonly nodeId: string }[];
  readonly status: OrderImage['status'];
  readonly filled: number;
  /** GPUs that would rest in the book. */
  readonly resting: number;
  /** Of a bid, in micro-dollars: what the fills cost for the whole duration; and what would be held back for the rest. */
  readonly cost: number;
  readonly escrow: number;
}

/** Who would buy what, at any price. */
export interface QuoteRequest {
  readonly product: string;
  readonly quantity: number;
  readonly durationHours: number;
  /** Null for any. */
  readonly region: string | null;
  /** Its own asks are passed over. */
  readonly accountId: string;
}

/** The GPUs of a product in a cluster that are sellable or leased, and the spot price that follows for a node there. */
export interface ClusterUse {
  readonly clusterId: string;
  readonly product: string;
  readonly region: string;
  readonly leased: number;
  readonly sellableOrLeased: number;
}

/** What a node offers now. */
export interface NodeOffer {
  readonly nodeId: string;
  readonly clusterId: string;
  readonly product: string;
  readonly region: string;
  readonly label: Label;
  readonly price: number;
  readonly basePrice: number;
  readonly surge: boolean;
  /** GPUs of the standing ask. */
  readonly open: number;
}

export interface AuctionView {
  readonly product: string;
  readonly phase: 'open' | 'no-cancel';
  readonly opensAt: number;
  readonly noCancelAt: number;
  readonly clearsAt: number;
  /** What it would clear at now; null where nothing would trade. */
  readonly indicativePrice: number | null;
  readonly indicativeVolume: number;
  readonly bidQuantity: number;
  readonly askQuantity: number;
}

/** What may be looked at; nothing here changes anything. */
export interface EngineView {
  readonly now: number;
  depth(product: string, levels: number): Depth;
  preview(order: NewOrder, now: number): Preview;
  order(id: string): OrderImage | undefined;
  /** A trade whose hold has not ended. */
  trade(id: string): Trade | undefined;
  /** Of every product that had a command, by name. */
  products(): readonly ProductState[];
  product(product: string): ProductState;
  /** Null: nobody may order. */
  killedReason(accountId: string | null): string | undefined;
  wallet(accountId: string): { readonly available: number; readonly escrow: number };
  supply(nodeId: string): NodeSupply | undefined;
  pricing(nodeId: string): NodePricing | undefined;
  offers(product?: string): readonly NodeOffer[];
  /** The cheapest resting asks that sell it, up to the quantity: a price may come several times. */
  quote(wanted: QuoteRequest): readonly { readonly price: number; readonly quantity: number }[];
  uses(product?: string): readonly ClusterUse[];
  /** Of products whose auctions are on and have an interruptible order. */
  auctions(now: number): readonly AuctionView[];
  /** 32 hexadecimal digits that follow from the state alone, not from how it came about. */
  stateHash(): string;
  records(): Iterable<EngineRecord>;
  openOrders(side?: Side): number;
}

export interface Engine extends EngineView {
  /**
   * Does what has become due by `now`, then the command. A refused command changes nothing besides what was due.
   * @param now milliseconds; never less than at the last call
   */
  apply(command: Command, now: number): Outcome;
  /** What happened since the last call, oldest first; never more than memory holds: take it after every few commands. */
  takeEvents(): EngineEvent[];
  /** When something becomes due by itself; null for never. */
  nextDeadline(): number | null;
  /** Puts a part of the state back, of an engine that has not applied anything yet. */
  restore(record: EngineRecord): void;
}
