// The tables that a batch writes, column by column.
import type { IndexWindow } from '../engine/commands.ts';
import type { Auction, LedgerAccount, ProductState, StandingAsk, Transfer } from '../engine/events.ts';
import type { OrderImage, OrderProgress, Trade } from '../engine/order.ts';
import type { NodePricing, NodeSupply } from '../engine/supply.ts';
import type { ChainedRow } from './chain.ts';
import { type Column, insertion, RowWrite, removal, update } from './row-write.ts';

/** Stands for nobody in columns that must not be null: the outside of the ledger, everybody who is stopped. */
export const nilId = '00000000-0000-0000-0000-000000000000';

export interface JournalRow extends ChainedRow {
  readonly hash: Buffer;
}

export interface OutboxRow {
  readonly seq: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly topic: string;
  readonly accountId: string | null;
  /** JSON. */
  readonly data: string;
}

export interface TransferRow {
  /** Of its command in the journal, and its place among that command's. */
  readonly seq: number;
  readonly position: number;
  readonly at: number;
  readonly transfer: Transfer;
}

export interface HoldRow {
  readonly tradeId: string;
  readonly gpuId: string;
  readonly position: number;
  readonly endedAt: number | null;
}

export interface IndexRow {
  readonly window: IndexWindow;
  readonly publishedAt: number;
}

/** All rows of a batch, by what is done with them. */
export interface BatchRows {
  journal: readonly JournalRow[];
  events: readonly OutboxRow[];
  newOrders: readonly OrderImage[];
  changedOrders: readonly OrderProgress[];
  newTrades: readonly Trade[];
  changedTrades: readonly Trade[];
  /** Trades of earlier batches whose hold ended. */
  freedHolds: readonly Trade[];
  holds: readonly HoldRow[];
  transfers: readonly TransferRow[];
  products: readonly ProductState[];
  standingAsks: readonly StandingAsk[];
  killed: readonly { readonly accountId: string; readonly reason: string }[];
  revived: readonly string[];
  supply: readonly NodeSupply[];
  supplyGone: readonly string[];
  pricing: readonly NodePricing[];
  pricingGone: readonly string[];
  auctions: readonly Auction[];
  index: readonly IndexRow[];
}

const ledgerId = ({ accountId }: LedgerAccount) => accountId ?? nilId;

/** Of an order: what changes, after its id. */
const progress: readonly Column<OrderProgress>[] = [
  ['id', 'uuid', ({ id }) => id],
  ['status', 'text', ({ status }) => status],
  ['quantity', 'integer', ({ quantity }) => quantity],
  ['price', 'bigint', ({ price }) => price],
  ['duration_hours', 'integer', ({ durationHours }) => durationHours],
  ['open', 'integer', ({ open }) => open],
  ['filled', 'integer', ({ filled }) => filled],
  ['escrow', 'bigint', ({ escrow }) => escrow],
  ['priority', 'bigint', ({ priority }) => priority],
  ['reason', 'text', ({ reason }) => reason],
  ['updated_at', 'timestamptz', ({ at }) => at],
];

const order: readonly Column<OrderImage>[] = [
  ...progress,
  ['account_id', 'uuid', ({ accountId }) => accountId],
  ['user_id', 'uuid', ({ userId }) => userId],
  ['client_order_id', 'text', ({ clientOrderId }) => clientOrderId],
  ['side', 'text', ({ side }) => side],
  ['product', 'text', ({ product }) => product],
  ['time_in_force', 'text', ({ timeInForce }) => timeInForce],
  ['expires_at', 'timestamptz', ({ expiresAt }) => expiresAt],
  ['all_or_none', 'boolean', ({ allOrNone }) => allOrNone],
  ['min_quantity', 'integer', ({ minQuantity }) => minQuantity],
  ['placement', 'text', ({ placement }) => placement],
  ['region', 'text', ({ region }) => region],
  ['min_score', 'smallint', ({ minScore }) => minScore],
  ['min_label', 'text', ({ minLabel }) => minLabel],
  ['node_id', 'uuid', ({ nodeId }) => nodeId],
  ['interruptible', 'boolean', ({ interruptible }) => interruptible],
  ['standing', 'boolean', ({ standing }) => standing],
  ['created_at', 'timestamptz', ({ createdAt }) => createdAt],
];

const hold: readonly Column<Trade>[] = [
  ['id', 'uuid', ({ id }) => id],
  ['ends_at', 'timestamptz', ({ endsAt }) => endsAt],
  ['escrow', 'bigint', ({ escrow }) => escrow],
  ['settled_seconds', 'bigint', ({ settledSeconds }) => settledSeconds],
  ['captured', 'bigint', ({ captured }) => captured],
  ['ended_at', 'timestamptz', ({ endedAt }) => endedAt],
  ['end_reason', 'text', ({ endReason }) => endReason],
  ['reclaim_at', 'timestamptz', ({ reclaimAt }) => reclaimAt],
];

const trade: readonly Column<Trade>[] = [
  ...hold,
  ['number', 'bigint', ({ number }) => number],
  ['product', 'text', ({ product }) => product],
  ['bid_order_id', 'uuid', ({ bidOrderId }) => bidOrderId],
  ['ask_order_id', 'uuid', ({ askOrderId }) => askOrderId],
  ['buyer_account_id', 'uuid', ({ buyerAccountId }) => buyerAccountId],
  ['seller_account_id', 'uuid', ({ sellerAccountId }) => sellerAccountId],
  ['node_id', 'uuid', ({ nodeId }) => nodeId],
  ['cluster_id', 'uuid', ({ clusterId }) => clusterId],
  ['quantity', 'integer', ({ quantity }) => quantity],
  ['price', 'bigint', ({ price }) => price],
  ['bid_price', 'bigint', ({ bidPrice }) => bidPrice],
  ['duration_hours', 'integer', ({ durationHours }) => durationHours],
  ['executed_at', 'timestamptz', ({ executedAt }) => executedAt],
  ['interruptible', 'boolean', ({ interruptible }) => interruptible],
  ['auction_id', 'uuid', ({ auctionId }) => auctionId],
];

/** In the order in which they are done where one statement does not do for all. */
export const writes: { readonly [Kind in keyof BatchRows]: RowWrite<BatchRows[Kind][number]> } = {
  changedOrders: new RowWrite('orders', update(), progress),
  newOrders: new RowWrite('orders', insertion(), order),
  changedTrades: new RowWrite('trades', update(), hold),
  newTrades: new RowWrite('trades', insertion(), trade),
  freedHolds: new RowWrite('holds', update('and holds.ended_at is null returning 1'), [
    ['trade_id', 'uuid', ({ id }) => id],
    ['ended_at', 'timestamptz', ({ endedAt }) => endedAt],
  ]),
  // A GPU that comes free may be sold in the same batch, and no GPU is held twice at any moment.
  holds: new RowWrite('holds', insertion({ after: 'freedHolds' }), [
    ['trade_id', 'uuid', ({ tradeId }) => tradeId],
    ['gpu_id', 'uuid', ({ gpuId }) => gpuId],
    ['position', 'smallint', ({ position }) => position],
    ['ended_at', 'timestamptz', ({ endedAt }) => endedAt],
  ]),
  transfers: new RowWrite('ledger_transfers', insertion(), [
    ['seq', 'bigint', ({ seq }) => seq],
    ['position', 'integer', ({ position }) => position],
    ['at', 'timestamptz', ({ at }) => at],
    ['from_account', 'uuid', ({ transfer }) => ledgerId(transfer.from)],
    ['from_kind', 'text', ({ transfer }) => transfer.from.kind],
    ['to_account', 'uuid', ({ transfer }) => ledgerId(transfer.to)],
    ['to_kind', 'text', ({ transfer }) => transfer.to.kind],
    ['amount', 'bigint', ({ transfer }) => transfer.amount],
    ['reason', 'text', ({ transfer }) => transfer.reason],
    ['order_id', 'uuid', ({ transfer }) => transfer.orderId],
    ['trade_id', 'uuid', ({ transfer }) => transfer.tradeId],
    ['id', 'uuid', ({ transfer }) => transfer.id],
    ['reference', 'text', ({ transfer }) => transfer.reference],
  ]),
  products: new RowWrite(
    'product_states',
    insertion({
      conflict: `on conflict (product) do update
        set rules = excluded.rules, halt_reason = excluded.halt_reason, last_price = excluded.last_price`,
    }),
    [
      ['product', 'text', ({ product }) => product],
      ['rules', 'json', ({ rules }) => JSON.stringify(rules)],
      ['halt_reason', 'text', ({ haltReason }) => haltReason],
      ['last_price', 'bigint', ({ lastPrice }) => lastPrice],
    ],
  ),
  standingAsks: new RowWrite(
    'standing_asks',
    insertion({
      conflict: `on conflict (node_id, product) do update
        set order_id = excluded.order_id, repriced_at = excluded.repriced_at`,
    }),
    [
      ['order_id', 'uuid', ({ orderId }) => orderId],
      ['node_id', 'uuid', ({ nodeId }) => nodeId],
      ['product', 'text', ({ product }) => product],
      ['repriced_at', 'bigint', ({ repricedAt }) => repricedAt],
    ],
  ),
  killed: new RowWrite(
    'killed_accounts',
    insertion({ conflict: 'on conflict (account_id) do update set reason = excluded.reason' }),
    [
      ['account_id', 'uuid', ({ accountId }) => accountId],
      ['reason', 'text', ({ reason }) => reason],
    ],
  ),
  revived: new RowWrite('killed_accounts', removal, [['account_id', 'uuid', (accountId) => accountId]]),
  supply: new RowWrite(
    'node_supply',
    insertion({ conflict: 'on conflict (node_id) do update set supply = excluded.supply' }),
    [
      ['node_id', 'uuid', ({ nodeId }) => nodeId],
      ['supply', 'json', (node) => JSON.stringify(node)],
    ],
  ),
  supplyGone: new RowWrite('node_supply', removal, [['node_id', 'uuid', (nodeId) => nodeId]]),
  pricing: new RowWrite(
    'node_pricing',
    insertion({ conflict: 'on conflict (node_id) do update set pricing = excluded.pricing' }),
    [
      ['node_id', 'uuid', ({ nodeId }) => nodeId],
      ['pricing', 'json', (pricing) => JSON.stringify(pricing)],
    ],
  ),
  pricingGone: new RowWrite('node_pricing', removal, [['node_id', 'uuid', (nodeId) => nodeId]]),
  auctions: new RowWrite('auctions', insertion(), [
    ['id', 'uuid', ({ id }) => id],
    ['product', 'text', ({ product }) => product],
    ['cleared_at', 'timestamptz', ({ clearedAt }) => clearedAt],
    ['price', 'bigint', ({ price }) => price],
    ['volume', 'bigint', ({ volume }) => volume],
    ['bid_quantity', 'bigint', ({ bidQuantity }) => bidQuantity],
    ['ask_quantity', 'bigint', ({ askQuantity }) => askQuantity],
    ['imbalance', 'bigint', ({ imbalance }) => imbalance],
  ]),
  index: new RowWrite('price_index', insertion({ conflict: 'on conflict do nothing' }), [
    ['product', 'text', ({ window }) => window.product],
    ['starts_at', 'timestamptz', ({ window }) => window.startsAt],
    ['revision', 'integer', ({ window }) => window.revision],
    ['final', 'boolean', ({ window }) => window.final],
    ['trades', 'bigint', ({ window }) => window.trades],
    ['gpus', 'bigint', ({ window }) => window.gpus],
    ['gpu_hours', 'bigint', ({ window }) => window.gpuHours],
    ['volume', 'bigint', ({ window }) => window.volume],
    ['vwap', 'bigint', ({ window }) => window.vwap],
    ['min_price', 'bigint', ({ window }) => window.minPrice],
    ['max_price', 'bigint', ({ window }) => window.maxPrice],
    ['stddev', 'bigint', ({ window }) => window.stddev],
    ['published_at', 'timestamptz', ({ publishedAt }) => publishedAt],
  ]),
  events: new RowWrite('market_events', insertion(), [
    ['seq', 'bigint', ({ seq }) => seq],
    ['at', 'timestamptz', ({ at }) => at],
    ['topic', 'text', ({ topic }) => topic],
    ['account_id', 'uuid', ({ accountId }) => accountId],
    ['data', 'json', ({ data }) => data],
  ]),
  journal: new RowWrite('market_journal', insertion(), [
    ['seq', 'bigint', ({ seq }) => seq],
    ['at', 'bigint', ({ at }) => at],
    ['epoch', 'bigint', ({ epoch }) => epoch],
    ['account_id', 'uuid', ({ accountId }) => accountId],
    ['user_id', 'uuid', ({ userId }) => userId],
    ['command', 'json', ({ command }) => command],
    ['result', 'json', ({ result }) => result],
    ['key_account_id', 'uuid', ({ keyAccountId }) => keyAccountId],
    ['idempotency_key', 'text', ({ key }) => key],
    ['digest', 'bytea', ({ digest }) => (digest === null ? null : Buffer.from(digest, 'hex'))],
    ['hash', 'bytea', ({ hash }) => hash],
  ]),
};

/** What most batches have; the rest is rare, and a statement without it is quicker. */
export const usual: readonly (keyof BatchRows)[] = [
  'changedOrders',
  'newOrders',
  'changedTrades',
  'newTrades',
  'freedHolds',
  'holds',
  'transfers',
  'products',
  'events',
  'journal',
];
