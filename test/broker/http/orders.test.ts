// Orders and trades over HTTP: what is answered, what is kept, who sees what.
import { expect, test } from 'vitest';
import { type FullApi, startFullApi } from './full-api.ts';
import { addSupply, fund } from './trading.ts';

const million = 1_000_000;
const bid = { type: 'bid', gpu_type: 'H100', quantity: 2, price: '2.50', duration_hours: 24 };

/** A buyer with money, a seller with eight GPUs at 2 dollars. */
async function startMarket() {
  const api = await startFullApi();
  const buyer = await api.addPrincipal('consumer');
  const seller = await api.addPrincipal('provider');
  await fund(api.pipeline, buyer.accountId);
  const node = await addSupply(api.pipeline, { accountId: seller.accountId, price: 2 * million });
  return { api, buyer, seller, node };
}

test('a bid trades at once, at the middle, and holds back what it costs', async () => {
  const { api, buyer, node } = await startMarket();
  const placed = await api
    .as(buyer)
    .post('/orders', { ...bid, quantity: 10, placement: 'any', client_order_id: 'mine' });
  expect(placed).toMatchObject({
    status: 201,
    body: {
      account_id: buyer.accountId,
      user_id: buyer.userId,
      type: 'bid',
      gpu_type: 'H100-SXM5-80GB',
      status: 'partial',
      quantity: 10,
      filled_quantity: 8,
      open_quantity: 2,
      price: '2.50',
      escrow: '120.00',
      client_order_id: 'mine',
      standing: false,
    },
  });
  const { id, order_id } = placed.body;
  expect(order_id).toBe(id);
  expect((await api.as(buyer).get(`/orders/${id}`)).body).toEqual(placed.body);
  const { body } = await api.as(buyer).get(`/orders/${id}/trades`);
  expect(body).toMatchObject({
    next_cursor: null,
    trades: [
      {
        type: 'bid',
        bid_order_id: id,
        ask_order_id: null,
        node_id: node.nodeId,
        gpu_ids: node.gpus.map((gpu) => gpu.id),
        quantity: 8,
        price: '2.25',
        cost: '432.00',
        escrow: '432.00',
        paid: '0.00',
        status: 'held',
      },
    ],
  });
  const wallet = await api.as(buyer).get('/wallet');
  expect(wallet.body).toMatchObject({ escrow: '552.00', available: '999448.00' });
});

test('each party sees a trade from its own side, and nobody else sees it', async () => {
  const { api, buyer, seller } = await startMarket();
  await api.as(buyer).post('/orders', bid);
  const [bought] = (await api.as(buyer).get('/trades')).body.items;
  const [sold] = (await api.as(seller).get('/trades')).body.items;
  expect(bought).toMatchObject({ type: 'bid', bid_order_id: expect.any(String), ask_order_id: null });
  expect(sold).toMatchObject({ id: bought.id, type: 'ask', bid_order_id: null, ask_order_id: expect.any(String) });
  expect((await api.as(buyer).get('/trades?type=ask')).body.items).toEqual([]);
  expect((await api.as(seller).get('/trades?type=ask&status=held&gpu_type=H100')).body.items).toHaveLength(1);
  expect((await api.as('consumer').get('/trades')).body.items).toEqual([]);
  expect((await api.as('consumer').get(`/trades/${bought.id}`)).status).toBe(404);
  const all = (await api.as('admin').get(`/trades?account_id=${buyer.accountId}`)).body.items;
  expect(all).toMatchObject([{ bid_order_id: bought.bid_order_id, ask_order_id: null, type: 'bid' }]);
  expect((await api.as('admin').get(`/trades/${bought.id}`)).body).toMatchObject({
    type: null,
    bid_order_id: bought.bid_order_id,
    ask_order_id: sold.ask_order_id,
  });
});

test('the same key is done once, and with another body refused', async () => {
  const { api, buyer } = await startMarket();
  const key = { 'idempotency-key': 'one-order' };
  const first = await api.as(buyer).post('/orders', bid, key);
  const again = await api.as(buyer).post('/orders', bid, key);
  expect(again).toMatchObject({ status: 201, body: first.body });
  expect((await api.as(buyer).get('/orders')).body.total).toBe(1);
  const other = await api.as(buyer).post('/orders', { ...bid, quantity: 3 }, key);
  expect(other).toMatchObject({ status: 409, body: { code: 'GPUB_IDEMPOTENCY_KEY_REUSED' } });
  const bad = await api.as(buyer).post('/orders', bid, { 'idempotency-key': 'a b' });
  expect(bad).toMatchObject({ status: 400, body: { field: 'headers.idempotency-key' } });
});

test('more than the wallet holds is 402, and leaves nothing', async () => {
  const { api } = await startMarket();
  const refused = await api.as('developer').post('/orders', bid);
  expect(refused).toMatchObject({ status: 402, body: { code: 'GPUB_INSUFFICIENT_FUNDS' } });
  expect((await api.as('developer').get('/orders')).body).toEqual({ items: [], next_cursor: null, total: 0 });
});

test('an order is amended and cancelled by its owner, and its money comes back', async () => {
  const { api, buyer } = await startMarket();
  const { id } = (await api.as(buyer).post('/orders', { ...bid, price: '1.00' })).body;
  const cheaper = await api.as(buyer).patch(`/orders/${id}`, { quantity: 1 });
  expect(cheaper).toMatchObject({ status: 200, body: { quantity: 1, open_quantity: 1, escrow: '24.00' } });
  const higher = await api.as(buyer).patch(`/orders/${id}`, { price: 3 });
  expect(higher).toMatchObject({ status: 200, body: { status: 'filled', price: '3.00', escrow: '0.00' } });
  expect((await api.as(buyer).patch(`/orders/${id}`, { price: 4 })).status).toBe(409);
  expect(await api.as(buyer).patch(`/orders/${id}`, { price: '0.00001' })).toMatchObject({
    status: 400,
    body: { field: 'body.price' },
  });
  const other = (await api.as(buyer).post('/orders', { ...bid, price: '1.00' })).body;
  expect(await api.as(buyer).delete(`/orders/${other.id}`)).toMatchObject({ status: 200, body: { success: true } });
  expect((await api.as(buyer).get(`/orders/${other.id}`)).body).toMatchObject({ status: 'cancelled', escrow: '0.00' });
  expect((await api.as(buyer).delete(`/orders/${other.id}`)).status).toBe(409);
});

test('orders are listed by page and by filter', async () => {
  const { api, buyer } = await startMarket();
  const ids: string[] = [];
  for (const price of ['1.00', '1.10', '1.20', '9.00']) {
    const { body } = await api.as(buyer).post('/orders', { ...bid, price, client_order_id: `at-${price}` });
    ids.unshift(body.id);
  }
  expect(await idsOf(api, buyer, '/orders?limit=3')).toEqual(ids);
  expect(await idsOf(api, buyer, '/orders?status=active')).toEqual(ids.slice(1));
  expect(await idsOf(api, buyer, '/orders?status=filled&type=bid&gpu_type=H100')).toEqual(ids.slice(0, 1));
  expect(await idsOf(api, buyer, '/orders?client_order_id=at-1.10')).toEqual([ids[2]]);
  expect(await idsOf(api, buyer, '/orders?gpu_type=A100-80GB')).toEqual([]);
  expect((await api.as(buyer).get('/orders?limit=1')).body.total).toBe(4);
  expect((await api.as('consumer').get(`/orders?account_id=${buyer.accountId}`)).body.items).toEqual([]);
  expect(await idsOf(api, api.principals.admin, `/orders?account_id=${buyer.accountId}&type=bid`)).toEqual(ids);
  expect((await api.as(buyer).get('/orders?gpu_type=H99')).body).toMatchObject({ code: 'GPUB_UNKNOWN_PRODUCT' });
});

/** Those of all pages. */
async function idsOf(api: FullApi, who: Parameters<FullApi['as']>[0], path: string): Promise<string[]> {
  const ids: string[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const { body } = await api.as(who).get(cursor === '' ? path : `${path}&cursor=${cursor}`);
    ids.push(...body.items.map(({ id }: { id: string }) => id));
    cursor = body.next_cursor;
  }
  return ids;
}

test('a preview says what the order then does', async () => {
  const { api, buyer } = await startMarket();
  const order = { ...bid, quantity: 10, placement: 'any' };
  const preview = await api.as(buyer).post('/orders/preview', order);
  expect(preview).toMatchObject({
    status: 200,
    body: {
      accepted: true,
      problem: null,
      status: 'partial',
      filled_quantity: 8,
      resting_quantity: 2,
      fills: [{ price: '2.25', quantity: 8 }],
      average_price: '2.25',
      cost: '432.00',
      escrow: '120.00',
    },
  });
  const { body } = await api.as(buyer).post('/orders', order);
  expect(body).toMatchObject({ status: preview.body.status, filled_quantity: 8, escrow: preview.body.escrow });
  const poor = await api.as('developer').post('/orders/preview', order);
  expect(poor.body).toMatchObject({ accepted: false, problem: { code: 'GPUB_INSUFFICIENT_FUNDS' } });
});

test('an admin settles and ends a trade, and both stand in the audit log', async () => {
  const { api, buyer, seller } = await startMarket();
  await api.as(buyer).post('/orders', { ...bid, quantity: 1 });
  const [{ id }] = (await api.as(buyer).get('/trades')).body.items;
  const settled = await api.as('admin').post(`/trades/${id}/settle`, { seconds: 3_600 });
  expect(settled).toMatchObject({ status: 200, body: { paid: '2.25', settled_seconds: 3_600, escrow: '51.75' } });
  const ended = await api.as('admin').post(`/trades/${id}/end`, { reason: 'the lease is over' });
  expect(ended).toMatchObject({
    status: 200,
    body: { status: 'ended', end_reason: 'the lease is over', escrow: '0.00' },
  });
  expect((await api.as(seller).get('/wallet')).body).toMatchObject({ available: '2.25' });
  expect((await api.as('admin').post(`/trades/${id}/settle`, { seconds: 9_999 })).status).toBe(409);
  const { items } = (await api.as('admin').get(`/audit?target_id=${id}`)).body;
  expect(items.map(({ action, outcome }: { action: string; outcome: string }) => [action, outcome])).toEqual([
    ['trade.settle', 'failed'],
    ['trade.end', 'allowed'],
    ['trade.settle', 'allowed'],
  ]);
});
