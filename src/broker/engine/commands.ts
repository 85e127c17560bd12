// What the engine is told to do. Commands are JSON: the journal keeps them, and a replay applies them again.
import type { NewOrder, OrderImage, ProductRules, Trade } from './order.ts';
import type { NodePricing, NodeSupply } from './supply.ts';

/** A window of the price index, made from the tape elsewhere; the engine only passes it on. */
export interface IndexWindow {
  readonly product: string;
  /** Its first millisecond; its length is in market/index/. */
  readonly startsAt: number;
  /** From 0; each further one corrects the one before. */
  readonly revision: number;
  readonly final: boolean;
  readonly trades: number;
  readonly gpus: number;
  /** GPU-hours sold. */
  readonly gpuHours: number;
  /** Sum of quantity times price, in micro-dollars per hour. */
  readonly volume: number;
  /** Micro-dollars per GPU-hour, weighted by quantity, rounded down. */
  readonly vwap: number;
  readonly minPrice: number;
  readonly maxPrice: number;
  /** Population standard deviation by quantity, in micro-dollars, rounded down. */
  readonly stddev: number;
}

export type Command =
  | { readonly kind: 'place'; readonly order: NewOrder }
  /** `accountId`: whose it must be; null for an admin. */
  | { readonly kind: 'cancel'; readonly orderId: string; readonly accountId: string | null; readonly reason: string }
  | {
      readonly kind: 'amend';
      readonly orderId: string;
      readonly accountId: string | null;
      /** The new whole quantity, what is filled included. */
      readonly quantity: number | null;
      readonly price: number | null;
    }
  | { readonly kind: 'supply'; readonly node: NodeSupply }
  | { readonly kind: 'set-pricing'; readonly pricing: NodePricing }
  | { readonly kind: 'remove-pricing'; readonly nodeId: string }
  | { readonly kind: 'set-rules'; readonly product: string; readonly rules: ProductRules }
  /** `product`: null for all. */
  | { readonly kind: 'halt'; readonly product: string | null; readonly reason: string }
  | { readonly kind: 'resume'; readonly product: string | null }
  /** Cancels what an account (null: everybody) has in the book, standing asks aside, and lets it order no more. */
  | { readonly kind: 'kill'; readonly accountId: string | null; readonly reason: string }
  | { readonly kind: 'revive'; readonly accountId: string | null }
  | { readonly kind: 'match'; readonly product: string | null }
  | {
      readonly kind: 'deposit';
      readonly id: string;
      readonly accountId: string;
      readonly amount: number;
      readonly reference: string;
    }
  | {
      readonly kind: 'withdraw';
      readonly id: string;
      readonly accountId: string;
      readonly amount: number;
      readonly reference: string;
    }
  /** Pays for the first `seconds` seconds of a trade's lease, less what is paid already. */
  | { readonly kind: 'settle'; readonly tradeId: string; readonly seconds: number }
  | { readonly kind: 'end-hold'; readonly tradeId: string; readonly reason: string }
  | { readonly kind: 'publish-index'; readonly windows: readonly IndexWindow[] }
  /** Lets time pass: what is due happens. */
  | { readonly kind: 'tick' };

/** What a command is answered with. */
export interface Result {
  /** Of place, cancel, amend: the order after it. */
  readonly order?: OrderImage;
  /** Of place, amend, match: what was traded because of it. */
  readonly trades?: readonly Trade[];
  /** Of deposit, withdraw: what the account may spend then. */
  readonly available?: number;
  /** Of settle: what was paid in all. */
  readonly captured?: number;
  /** Of kill: how many orders were cancelled. */
  readonly cancelled?: number;
}

/** Why a command is not done; it has changed nothing then. */
export interface EngineRefusal {
  readonly kind: 'invalid' | 'not-found' | 'conflict' | 'payment';
  readonly code: `GPUB_${string}`;
  readonly message: string;
  readonly field?: string;
  readonly value?: unknown;
  readonly allowed?: string;
}

export type Outcome =
  | { readonly result: Result; readonly refusal?: undefined }
  | { readonly refusal: EngineRefusal; readonly result?: undefined };
