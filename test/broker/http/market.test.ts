// The market as everybody sees it, and what admins do to it.
import { expect, test } from 'vitest';
import { startFullApi } from './full-api.ts';
import { addOrder, addSupply, fund } from './trading.ts';

const million = 1_000_000;
const bid = { type: 'bid', gpu_type: 'H100', quantity: 1, price: '1.00', duration_hours: 1 };

test('depth and tape show prices and quantities, and name nobody', async () => {
  const api = await startFullApi();
  const buyer = await api.addPrincipal('consumer');
  await addSupply(api.pipeline, { price: 2 * million, gpus: 4 });
  await addOrder(api.pipeline, { accountId: buyer.accountId, price: 1_500_000, quantity: 3 });
  await addOrder(api.pipeline, { accountId: buyer.accountId, price: 1_500_000, quantity: 2 });
  await addOrder(api.pipeline, { accountId: buyer.accountId, price: million, quantity: 1 });
  await addOrder(api.pipeline, { accountId: buyer.accountId, price: 3 * million, quantity: 1 });
  const { body: depth } = await api.as('developer').get('/market/depth?gpu_type=H100&levels=1');
  expect(depth).toEqual({
    gpu_type: 'H100-SXM5-80GB',
    seq: expect.any(Number),
    at: expect.any(String),
    bids: [{ price: '1.50', quantity: 5, orders: 2 }],
    asks: [{ price: '2.00', quantity: 3, orders: 1 }],
    last_price: '2.50',
    halted: false,
  });
  const { body: tape } = await api.as('developer').get('/market/trades?gpu_type=H100');
  expect(tape).toEqual({
    items: [
      {
        number: 1,
        gpu_type: 'H100-SXM5-80GB',
        price: '2.50',
        quantity: 1,
        duration_hours: 1,
        interruptible: false,
        executed_at: expect.any(String),
      },
    ],
    next_cursor: null,
  });
  expect((await api.as('developer').get('/market/depth?gpu_type=nothing')).body.code).toBe('GPUB_UNKNOWN_PRODUCT');
});

test('the tape has pages, newest first', async () => {
  const api = await startFullApi();
  const { accountId } = await api.addPrincipal('consumer');
  await addSupply(api.pipeline, { price: million, gpus: 5 });
  for (let order = 0; order < 5; order++) await addOrder(api.pipeline, { accountId, price: million });
  const numbers: number[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const more: string = cursor === '' ? '' : `&cursor=${cursor}`;
    const { body } = await api.as('consumer').get(`/market/trades?gpu_type=H100&limit=2${more}`);
    numbers.push(...body.items.map(({ number }: { number: number }) => number));
    cursor = body.next_cursor;
  }
  expect(numbers).toEqual([5, 4, 3, 2, 1]);
});

test('a halted product takes no orders until it is resumed; cancelling works', async () => {
  const api = await startFullApi();
  const { as } = api;
  const buyer = await api.addPrincipal('consumer');
  await fund(api.pipeline, buyer.accountId);
  const { body: resting } = await as(buyer).post('/orders', bid);
  expect((await as('admin').post('/market/halt', { gpu_type: 'H100', reason: 'a check' })).body).toEqual({
    success: true,
  });
  expect(await as(buyer).post('/orders', bid)).toMatchObject({ status: 409, body: { code: 'GPUB_MARKET_HALTED' } });
  expect((await as(buyer).get('/market/depth?gpu_type=H100')).body.halted).toBe(true);
  expect((await as(buyer).delete(`/orders/${resting.id}`)).status).toBe(200);
  expect((await as('admin').get('/market/status')).body).toMatchObject({
    open_bids: 0,
    halted: [{ gpu_type: 'H100-SXM5-80GB', reason: 'a check' }],
    kill_switches: [],
  });
  await as('admin').post('/market/resume', { gpu_type: 'H100' });
  expect((await as(buyer).post('/orders', bid)).status).toBe(201);
  const { items } = (await as('admin').get('/audit?action=market.operate')).body;
  expect(items).toMatchObject([
    { outcome: 'allowed', details: { kind: 'resume', product: 'H100-SXM5-80GB' } },
    { outcome: 'allowed', details: { kind: 'halt', product: 'H100-SXM5-80GB', reason: 'a check' } },
  ]);
});

test('the kill switch empties an account’s orders, and holds until it is released', async () => {
  const api = await startFullApi();
  const { as } = api;
  const buyer = await api.addPrincipal('consumer');
  const other = await api.addPrincipal('consumer');
  for (const { accountId } of [buyer, other]) {
    await fund(api.pipeline, accountId);
    await addOrder(api.pipeline, { accountId, price: million });
  }
  const killed = await as('admin').post('/market/kill-switch', { account_id: buyer.accountId, reason: 'runaway' });
  expect(killed).toMatchObject({ status: 200, body: { success: true, cancelled: 1 } });
  expect((await as(buyer).get('/orders')).body.items).toMatchObject([{ status: 'cancelled', escrow: '0.00' }]);
  expect(await as(buyer).post('/orders', bid)).toMatchObject({ status: 409, body: { code: 'GPUB_ACCOUNT_STOPPED' } });
  expect((await as(other).post('/orders', bid)).status).toBe(201);
  expect((await as('admin').get('/market/status')).body.kill_switches).toEqual([
    { account_id: buyer.accountId, reason: 'runaway' },
  ]);
  await as('admin').post('/market/kill-switch/release', { account_id: buyer.accountId });
  expect((await as(buyer).post('/orders', bid)).status).toBe(201);
  // Its owner may read what was done to the account.
  const { items } = (await as(buyer).get('/audit')).body;
  expect(items.map(({ details }: { details: { kind: string } }) => details.kind)).toEqual(['revive', 'kill']);
  expect(
    await as('admin').post('/market/kill-switch', { account_id: '0198c5a4-7d2f-7c3e-9b1a-4f5d6e7a8b9c', reason: 'x' }),
  ).toMatchObject({ status: 404 });
  const everybody = await as('admin').post('/market/kill-switch', { reason: 'all' });
  expect(everybody.body.cancelled).toBe(3);
  expect((await as('admin').get('/market/status')).body.kill_switches).toEqual([{ account_id: null, reason: 'all' }]);
});

test('a manual match finds nothing to do in a healthy market', async () => {
  const api = await startFullApi();
  const { accountId } = await api.addPrincipal('consumer');
  await addSupply(api.pipeline, { price: 2 * million });
  await addOrder(api.pipeline, { accountId, price: million });
  expect((await api.as('admin').post('/orders/match', {})).body).toEqual({ success: true, trades: 0 });
  expect((await api.as('admin').post('/orders/match', { gpu_type: 'H100' })).body).toEqual({
    success: true,
    trades: 0,
  });
});

test('auctions: the one to come with its indicative price, and those that have cleared', async () => {
  const api = await startFullApi();
  const { accountId } = await api.addPrincipal('consumer');
  await addSupply(api.pipeline, { price: million, gpus: 2 });
  await addOrder(api.pipeline, { accountId, price: 2 * million, quantity: 3, interruptible: true });
  const { body } = await api.as('developer').get('/auctions?gpu_type=H100');
  expect(body).toMatchObject({
    items: [],
    next_cursor: null,
    current: [{ gpu_type: 'H100-SXM5-80GB', indicative_volume: 2, bid_quantity: 3, ask_quantity: 2 }],
  });
  const at = new Date('2026-01-05T09:30:00Z');
  const row = { product: 'H100-SXM5-80GB', price: million, volume: 2, bid_quantity: 3, ask_quantity: 2, imbalance: 1 };
  const ids = ['0198c5a4-7d2f-7c3e-9b1a-4f5d6e7a8b9c', '0198c5a4-7d2f-7c3e-9b1a-4f5d6e7a8b9d'];
  for (const id of ids)
    await api.db
      .insertInto('auctions')
      .values({ ...row, id, cleared_at: at })
      .execute();
  const first = (await api.as('developer').get('/auctions?limit=1')).body;
  const second = (await api.as('developer').get(`/auctions?limit=1&cursor=${first.next_cursor}`)).body;
  expect([...first.items, ...second.items]).toMatchObject([
    { id: ids[1], price: '1.00', cleared_at: at.toISOString() },
    { id: ids[0], imbalance: 1 },
  ]);
});
