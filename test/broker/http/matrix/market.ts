// The matrix of orders, trades and the market.
import { addOrder, addTrade, fund } from '../trading.ts';
import type { MatrixRow } from './row.ts';

const bid = { type: 'bid', gpu_type: 'H100', quantity: 1, price: '0.01', duration_hours: 1 };

function onOrder(route: string, body?: unknown): MatrixRow {
  return {
    route,
    success: 200,
    async call({ pipeline }, { accountId }) {
      const { order } = await addOrder(pipeline, { accountId, price: 10_000, quantity: 2 });
      return { params: { id: order.id }, ...(body === undefined ? {} : { body }) };
    },
  };
}

function onTrade(route: string, body?: unknown): MatrixRow {
  return {
    route,
    success: 200,
    async call({ pipeline }, { accountId }) {
      const { id } = await addTrade(pipeline, accountId);
      return { params: { id }, ...(body === undefined ? {} : { body }) };
    },
  };
}

export const rows: MatrixRow[] = [
  {
    route: 'POST /api/v2/orders',
    success: 201,
    async call({ pipeline }, { accountId }) {
      await fund(pipeline, accountId);
      return { body: bid };
    },
  },
  { route: 'GET /api/v2/orders', success: 200 },
  { route: 'POST /api/v2/orders/preview', success: 200, call: () => ({ body: bid }) },
  { route: 'POST /api/v2/orders/match', success: 200, call: () => ({ body: {} }) },
  onOrder('GET /api/v2/orders/:id'),
  onOrder('PATCH /api/v2/orders/:id', { quantity: 1 }),
  onOrder('DELETE /api/v2/orders/:id'),
  onOrder('GET /api/v2/orders/:id/trades'),
  { route: 'GET /api/v2/trades', success: 200 },
  onTrade('GET /api/v2/trades/:id'),
  onTrade('GET /api/v2/trades/:id/gpus'),
  onTrade('POST /api/v2/trades/:id/settle', { seconds: 60 }),
  onTrade('POST /api/v2/trades/:id/end', { reason: 'over' }),
  { route: 'GET /api/v2/market/depth', success: 200, call: () => ({ query: '?gpu_type=H100' }) },
  { route: 'GET /api/v2/market/trades', success: 200, call: () => ({ query: '?gpu_type=H100' }) },
  { route: 'GET /api/v2/market/stream', success: 200, call: () => ({ query: '?gpu_type=H100' }) },
  { route: 'GET /api/v2/auctions', success: 200 },
  { route: 'GET /api/v2/market/status', success: 200 },
  // Of products and accounts that no other row needs.
  {
    route: 'POST /api/v2/market/halt',
    success: 200,
    call: () => ({ body: { gpu_type: 'A40-PCIE-48GB', reason: 'a test' } }),
  },
  { route: 'POST /api/v2/market/resume', success: 200, call: () => ({ body: { gpu_type: 'A40-PCIE-48GB' } }) },
  {
    route: 'POST /api/v2/market/kill-switch',
    success: 200,
    call: (_api, { accountId }) => ({ body: { account_id: accountId, reason: 'a test' } }),
  },
  {
    route: 'POST /api/v2/market/kill-switch/release',
    success: 200,
    call: (_api, { accountId }) => ({ body: { account_id: accountId } }),
  },
];
