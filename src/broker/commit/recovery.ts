// From the tables back to the engine's state, row by row: what a broker does before it serves, and what checks of the
// journal compare a replay with.
import type pg from 'pg';
import type { EngineRecord } from '../engine/contract.ts';
import type { OrderImage, ProductRules, Trade } from '../engine/order.ts';
import type { NodePricing, NodeSupply } from '../engine/supply.ts';
import { type CopiedRow, copyRows } from './copy-reader.ts';
import type { JournalPlace } from './statement.ts';
import { nilId } from './tables.ts';

/** Where the journal stands, by the row of `market_state`. */
export function placeOf(row: Record<string, unknown>): JournalPlace & { epoch: number; writer: number } {
  const number = (name: string) => Number(row[name]);
  return {
    epoch: number('epoch'),
    writer: number('writer'),
    seq: number('seq'),
    eventSeq: number('event_seq'),
    at: number('at'),
    trades: number('trades'),
    priority: number('priority'),
    ids: number('ids'),
    hash: row.hash as Buffer,
  };
}

/**
 * Hands every record of the state that the tables hold to `restore`, in the engine's order, as of one moment.
 * @returns where the journal stands then
 */
export async function loadTables(
  client: pg.Client,
  restore: (record: EngineRecord) => void,
): Promise<ReturnType<typeof placeOf>> {
  await client.query('begin isolation level repeatable read read only');
  try {
    const { rows } = await client.query('select * from market_state');
    const place = placeOf(rows[0]);
    const { at: now, trades, priority, ids } = place;
    restore({ type: 'counters', now, trades, priority, ids });
    for (const [query, recordOf] of sources) await copyRows(client, query, (row) => restore(recordOf(row)));
    return place;
  } finally {
    await client.query('rollback');
  }
}

type Source = readonly [query: string, recordOf: (row: CopiedRow) => EngineRecord];

/** The same few texts come with most rows: each is kept once. */
function shared(): (text: string) => string {
  const texts = new Map<string, string>();
  return (text) => {
    const known = texts.get(text);
    if (known !== undefined) return known;
    if (texts.size >= 100_000) texts.clear();
    texts.set(text, text);
    return text;
  };
}

const products: Source = [
  'select product, rules::text, halt_reason, last_price from product_states order by product collate "C"',
  (row) => {
    const product = row.text();
    const rules = JSON.parse(row.text()) as ProductRules;
    return {
      type: 'product',
      state: { product, rules, haltReason: row.textOrNull(), lastPrice: row.numberOrNull() },
    };
  },
];

const killed: Source = [
  'select account_id::text, reason from killed_accounts order by account_id',
  (row) => {
    const accountId = row.id();
    return { type: 'killed', accountId: accountId === nilId ? null : accountId, reason: row.text() };
  },
];

const wallets: Source = [
  `select account_id::text, coalesce(sum(balance) filter (where kind = 'available'), 0)::bigint,
    coalesce(sum(balance) filter (where kind = 'escrow'), 0)::bigint
  from ledger_accounts where kind <> 'outside' group by account_id order by account_id`,
  (row) => ({ type: 'wallet', accountId: row.id(), available: row.number(), escrow: row.number() }),
];

const supply: Source = [
  'select supply::text from node_supply order by node_id',
  (row) => ({ type: 'supply', node: JSON.parse(row.text()) as NodeSupply }),
];

const pricing: Source = [
  'select pricing::text from node_pricing order by node_id',
  (row) => ({ type: 'pricing', pricing: JSON.parse(row.text()) as NodePricing }),
];

const text = shared();

const trades: Source = [
  `select id::text, number, product, bid_order_id::text, ask_order_id::text, buyer_account_id::text,
    seller_account_id::text, node_id::text, cluster_id::text,
    (select string_agg(gpu_id::text, ',' order by position) from holds where trade_id = trades.id),
    quantity, price, bid_price, duration_hours, executed_at, ends_at, interruptible, auction_id::text, escrow,
    settled_seconds, captured, end_reason, reclaim_at
  from trades where ended_at is null order by number`,
  (row) => ({ type: 'trade', trade: tradeOf(row) }),
];

/** In the order of the columns. */
function tradeOf(row: CopiedRow): Trade {
  return {
    id: row.id(),
    number: row.number(),
    product: text(row.text()),
    bidOrderId: row.id(),
    askOrderId: text(row.id()),
    buyerAccountId: text(row.id()),
    sellerAccountId: text(row.id()),
    nodeId: text(row.id()),
    clusterId: text(row.id()),
    gpuIds: row.id().split(',').map(flat),
    quantity: row.number(),
    price: row.number(),
    bidPrice: row.number(),
    durationHours: row.number(),
    executedAt: row.time(),
    endsAt: row.time(),
    interruptible: row.boolean(),
    auctionId: row.idOrNull(),
    escrow: row.number(),
    settledSeconds: row.number(),
    captured: row.number(),
    endedAt: null,
    endReason: row.text(),
    reclaimAt: row.timeOrNull(),
  };
}

/** A part of a text holds on to the whole; this one does not. */
function flat(part: string): string {
  return Buffer.from(part, 'latin1').toString('latin1');
}

const orders: Source = [
  `select id::text, account_id::text, user_id::text, client_order_id, side, product, quantity, price, duration_hours,
    time_in_force, expires_at, all_or_none, min_quantity, placement, region, min_score, min_label, node_id::text,
    interruptible, status, open, filled, escrow, priority, updated_at, reason, created_at, standing
  from orders where status in ('pending', 'partial') order by priority`,
  (row) => ({ type: 'order', order: orderOf(row) }),
];

/** In the order of the columns. */
function orderOf(row: CopiedRow): OrderImage {
  return {
    id: row.id(),
    accountId: text(row.id()),
    userId: nullable(row.idOrNull()),
    clientOrderId: row.textOrNull(),
    side: text(row.id()) as OrderImage['side'],
    product: text(row.text()),
    quantity: row.number(),
    price: row.number(),
    durationHours: row.number(),
    timeInForce: text(row.id()) as OrderImage['timeInForce'],
    expiresAt: row.timeOrNull(),
    allOrNone: row.boolean(),
    minQuantity: row.number(),
    placement: text(row.id()) as OrderImage['placement'],
    region: nullable(row.textOrNull()),
    minScore: row.number(),
    minLabel: nullable(row.idOrNull()) as OrderImage['minLabel'],
    nodeId: nullable(row.idOrNull()),
    interruptible: row.boolean(),
    status: text(row.id()) as OrderImage['status'],
    open: row.number(),
    filled: row.number(),
    escrow: row.number(),
    priority: row.number(),
    at: row.time(),
    reason: text(row.text()),
    createdAt: row.time(),
    standing: row.boolean(),
  };
}

function nullable(value: string | null): string | null {
  return value === null ? null : text(value);
}

const standingAsks: Source = [
  `select order_id::text, standing_asks.node_id::text, standing_asks.product, repriced_at from standing_asks
  join orders on orders.id = order_id where status in ('pending', 'partial') order by priority`,
  (row) => ({
    type: 'standing-ask',
    ask: { orderId: row.id(), nodeId: text(row.id()), product: text(row.text()), repricedAt: row.number() },
  }),
];

const sources: readonly Source[] = [products, killed, wallets, supply, pricing, trades, orders, standingAsks];
