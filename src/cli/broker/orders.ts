// `gpubroker market place|orders|trades …`: one's own orders and what came of them.
import { randomUUID } from 'node:crypto';
import type {
  NewOrder,
  Order,
  OrderChange,
  OrderPreview,
  OrderQuery,
  OrderTrades,
  Trade,
  TradeGpu,
  TradeQuery,
} from '../../api/orders.ts';
import type { Client } from '../../client/client.ts';
import { print, remark } from '../output.ts';
import { ago, type Columns, collect, pageFor, showDone, showList, showOne } from './show.ts';

const orderColumns: Columns<Order> = {
  ID: ({ id }) => id,
  SIDE: ({ type }) => type,
  PRODUCT: ({ gpu_type }) => gpu_type,
  FILLED: ({ filled_quantity, quantity }) => `${filled_quantity}/${quantity}`,
  PRICE: ({ price }) => price,
  HOURS: ({ duration_hours }) => duration_hours,
  STATUS: ({ status, reason }) => (reason === '' ? status : `${status}: ${reason}`),
  KIND: kindOf,
  CREATED: ({ created_at }) => ago(created_at),
};

const tradeColumns: Columns<Trade> = {
  ID: ({ id }) => id,
  SIDE: ({ type }) => type,
  PRODUCT: ({ gpu_type }) => gpu_type,
  GPUS: ({ quantity }) => quantity,
  PRICE: ({ price }) => price,
  HOURS: ({ duration_hours }) => duration_hours,
  COST: ({ cost }) => cost,
  PAID: ({ paid }) => paid,
  STATUS: ({ status, reclaim_at, end_reason }) => (status === 'ended' ? end_reason : reclaimed(reclaim_at)),
  ENDS: ({ ended_at, ends_at }) => ended_at ?? ends_at,
};

const gpuColumns: Columns<TradeGpu> = {
  GPU: ({ gpu_id }) => gpu_id,
  MODEL: ({ model }) => model,
  LABEL: ({ label }) => label,
  SCORE: ({ score }) => score,
  MEASURED: ({ measured_at }) => ago(measured_at),
  PROVEN: ({ verified_at }) => ago(verified_at),
};

/** With its key it is placed once, also where the first answer is lost. */
export async function placeOrder(client: Client, json: boolean, body: NewOrder, key: string): Promise<void> {
  const order = await client.call('POST /orders', { body, key });
  const { id, status, reason } = order;
  const isOver = status === 'rejected' || status === 'cancelled';
  showDone(order, `${isOver ? `Not filled whole (${reason})` : 'Placed'}: ${described(order)}: ${id}`, json);
}

export async function previewOrder(client: Client, json: boolean, body: NewOrder): Promise<void> {
  const preview = await client.call('POST /orders/preview', { body });
  if (json) return showOne(preview, json);
  const { problem, fills } = preview;
  if (problem) return showOne({ accepted: false, ...problem }, json);
  const { fills: _fills, problem: _problem, ...figures } = preview;
  showOne(figures, json);
  const columns: Columns<OrderPreview['fills'][number]> = {
    GPUS: ({ quantity }) => quantity,
    PRICE: ({ price }) => price,
  };
  showList(fills, { json, columns, nothing: 'Nothing would be traded at once.' });
}

export async function amendOrder(client: Client, json: boolean, id: string, body: OrderChange): Promise<void> {
  const order = await client.call('PATCH /orders/{id}', { params: { id }, body, key: randomUUID() });
  showDone(order, `Order ${id} is now ${described(order)}.`, json);
}

/** One after the other; the first that is refused ends it, and those before it are cancelled. */
export async function cancelOrders(client: Client, json: boolean, ids: readonly string[]): Promise<void> {
  for (const [done, id] of ids.entries()) {
    await client.call('DELETE /orders/{id}', { params: { id }, key: randomUUID() }).catch((error: unknown) => {
      if (done > 0) remark(`Cancelled before: ${ids.slice(0, done).join(', ')}.`);
      throw error;
    });
  }
  const said = ids.map((id) => `Cancelled order ${id}.`);
  showDone({ success: true, cancelled: ids }, said, json);
}

export async function listOrders(client: Client, json: boolean, query: OrderQuery, limit: number): Promise<void> {
  const items = await collect(client.all('GET /orders', { query: { ...query, ...pageFor(limit) } }), limit);
  const nothing = 'No such order; `gpubroker market place` makes one.';
  showList(items, { json, columns: orderColumns, nothing });
}

export async function showOrder(client: Client, json: boolean, id: string): Promise<void> {
  showOne(await client.call('GET /orders/{id}', { params: { id } }), json);
}

/** @param order of this order alone; the query does not count then */
export async function listTrades(
  client: Client,
  json: boolean,
  { query, order }: { query: TradeQuery; order: string | undefined },
  limit: number,
): Promise<void> {
  const found =
    order === undefined
      ? client.all('GET /trades', { query: { ...query, ...pageFor(limit) } })
      : tradesOf(client, order, pageFor(limit));
  showList(await collect(found, limit), { json, columns: tradeColumns, nothing: 'Nothing was traded.' });
}

export async function showTrade(client: Client, json: boolean, id: string): Promise<void> {
  const trade = await client.call('GET /trades/{id}', { params: { id } });
  showOne(trade, json);
  if (json || trade.status === 'ended') return;
  const { items } = await client.call('GET /trades/{id}/gpus', { params: { id } });
  print('');
  showList(items, { json, columns: gpuColumns, nothing: 'Its GPUs are not in the inventory.' });
}

/** Page by page. */
async function* tradesOf(client: Client, id: string, page: { limit: number }): AsyncGenerator<Trade> {
  let cursor: string | null = null;
  do {
    const query = cursor === null ? page : { ...page, cursor };
    const found: OrderTrades = await client.call('GET /orders/{id}/trades', { params: { id }, query });
    yield* found.trades;
    cursor = found.next_cursor;
  } while (cursor !== null);
}

function described({ type, quantity, gpu_type, price, duration_hours, status, filled_quantity }: Order): string {
  const filled = filled_quantity > 0 && filled_quantity < quantity ? `, ${filled_quantity} filled` : '';
  return `a ${type} for ${quantity} ${gpu_type} at ${price} for ${duration_hours} h, ${status}${filled}`;
}

/** What makes it more than a plain order. */
function kindOf(order: Order): string {
  const { standing, interruptible, all_or_none, min_quantity, placement, time_in_force, region } = order;
  const words = [
    standing ? 'standing' : '',
    interruptible ? 'interruptible' : '',
    time_in_force === 'gtc' ? '' : time_in_force,
    all_or_none ? 'all-or-none' : '',
    min_quantity > 1 ? `min ${min_quantity}` : '',
    placement === 'any' ? '' : `one ${placement}`,
    region ?? '',
  ];
  return words.filter(Boolean).join(', ');
}

function reclaimed(at: string | null): string {
  return at === null ? 'held' : `held until ${at}`;
}
