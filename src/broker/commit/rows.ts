// From what happened to the rows of the tables: of everything that can change, a batch writes the last state, once.
import type { Auction, EngineEvent, ProductState, StandingAsk } from '../engine/events.ts';
import type { OrderImage, OrderProgress, Trade } from '../engine/order.ts';
import type { NodePricing, NodeSupply } from '../engine/supply.ts';
import { type Told, toldOf } from './outbox.ts';
import {
  type BatchRows,
  type HoldRow,
  type IndexRow,
  type JournalRow,
  nilId,
  type OutboxRow,
  type TransferRow,
} from './tables.ts';

export class RowCollector {
  readonly #journal: JournalRow[] = [];
  readonly #outbox: OutboxRow[] = [];
  readonly #transfers: TransferRow[] = [];
  readonly #auctions: Auction[] = [];
  readonly #index: IndexRow[] = [];
  readonly #newOrders = new Map<string, OrderImage>();
  readonly #changedOrders = new Map<string, OrderProgress>();
  readonly #newTrades = new Map<string, Trade>();
  readonly #changedTrades = new Map<string, Trade>();
  readonly #products = new Map<string, ProductState>();
  /** By node and product. */
  readonly #standingAsks = new Map<string, StandingAsk>();
  /** Null for what is not there any more. */
  readonly #killed = new Map<string, string | null>();
  readonly #supply = new Map<string, NodeSupply | null>();
  readonly #pricing = new Map<string, NodePricing | null>();
  #eventSeq: number;

  /** @param eventSeq of the last row that market_events has */
  constructor(eventSeq: number) {
    this.#eventSeq = eventSeq;
  }

  /** Of the last row that market_events will have. */
  get eventSeq(): number {
    return this.#eventSeq;
  }

  /** A command: its row, what it tells by itself, and what happened because of it, in order. */
  add(row: JournalRow, told: Told | undefined, events: readonly EngineEvent[]): void {
    this.#journal.push(row);
    if (told) this.#tell(told, row.at);
    let position = 0;
    for (const event of events) {
      if (event.type === 'transfer') {
        this.#transfers.push({ seq: row.seq, position: position++, at: row.at, transfer: event.transfer });
        continue;
      }
      this.#take(event, row.at);
      const others = toldOf(event);
      if (others) this.#tell(others, row.at);
    }
  }

  rows(): BatchRows {
    const changedTrades = [...this.#changedTrades.values()];
    const [supply, supplyGone] = divided(this.#supply);
    const [pricing, pricingGone] = divided(this.#pricing);
    const [killed, revived] = divided(this.#killed, (accountId, reason) => ({ accountId, reason }));
    return {
      journal: this.#journal,
      events: this.#outbox,
      newOrders: [...this.#newOrders.values()],
      changedOrders: [...this.#changedOrders.values()],
      newTrades: [...this.#newTrades.values()],
      changedTrades,
      freedHolds: changedTrades.filter(({ endedAt }) => endedAt !== null),
      holds: [...this.#newTrades.values()].flatMap(holdsOf),
      transfers: this.#transfers,
      products: [...this.#products.values()],
      standingAsks: [...this.#standingAsks.values()],
      killed,
      revived,
      supply,
      supplyGone,
      pricing,
      pricingGone,
      auctions: this.#auctions,
      index: this.#index,
    };
  }

  #take(event: Exclude<EngineEvent, { type: 'transfer' }>, at: number): void {
    switch (event.type) {
      case 'order-created':
        this.#newOrders.set(event.order.id, event.order);
        break;
      case 'order-changed':
        this.#changeOrder(event.progress);
        break;
      case 'standing-ask':
        this.#standingAsks.set(`${event.ask.nodeId} ${event.ask.product}`, event.ask);
        break;
      case 'trade':
        this.#newTrades.set(event.trade.id, event.trade);
        break;
      case 'trade-changed':
        (this.#newTrades.has(event.trade.id) ? this.#newTrades : this.#changedTrades).set(event.trade.id, event.trade);
        break;
      case 'supply':
        this.#supply.set(event.node.nodeId, event.node.gpus.length > 0 ? event.node : null);
        break;
      case 'pricing':
        this.#pricing.set(event.pricing.nodeId, event.pricing);
        break;
      case 'pricing-removed':
        this.#pricing.set(event.nodeId, null);
        break;
      case 'product':
        this.#products.set(event.state.product, event.state);
        break;
      case 'killed':
        this.#killed.set(event.accountId ?? nilId, event.reason);
        break;
      case 'revived':
        this.#killed.set(event.accountId ?? nilId, null);
        break;
      case 'auction':
        this.#auctions.push(event.auction);
        break;
      case 'index':
        this.#index.push({ window: event.window, publishedAt: at });
        break;
    }
  }

  #changeOrder(progress: OrderProgress): void {
    const made = this.#newOrders.get(progress.id);
    if (made) this.#newOrders.set(progress.id, { ...made, ...progress });
    else this.#changedOrders.set(progress.id, progress);
  }

  #tell({ topic, accountId, data }: Told, at: number): void {
    this.#eventSeq++;
    this.#outbox.push({ seq: this.#eventSeq, at, topic, accountId, data: JSON.stringify(data) });
  }
}

function holdsOf({ id, gpuIds, endedAt }: Trade): HoldRow[] {
  return gpuIds.map((gpuId, position) => ({ tradeId: id, gpuId, position, endedAt }));
}

/** What is there, and the keys of what is not. */
function divided<Value, Row = Value>(
  map: ReadonlyMap<string, Value | null>,
  rowOf: (key: string, value: Value) => Row = (_key, value) => value as unknown as Row,
): [rows: Row[], gone: string[]] {
  const rows: Row[] = [];
  const gone: string[] = [];
  for (const [key, value] of map) {
    if (value === null) gone.push(key);
    else rows.push(rowOf(key, value));
  }
  return [rows, gone];
}
