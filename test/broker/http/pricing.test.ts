// Prices of nodes, spot prices, estimates, the index, and the rules of products, over HTTP.
import { expect, test, vi } from 'vitest';
import { newId } from '../../../src/broker/ids.ts';
import { addGpu, addNode } from '../../fixtures/registry.ts';
import { type FullApi, startFullApi } from './full-api.ts';
import { addOrder, addSupply } from './trading.ts';

const million = 1_000_000;
const h100 = 'H100-SXM5-80GB';
const pricing = { base_price: '2.50', surge_enabled: false };

/** A node of the provider with some GPUs that the market knows. */
async function ownNode(api: FullApi, gpus: number) {
  const node = await addNode(api.db, api.principals.provider.accountId, {}, 'eu-1');
  const ids: string[] = [];
  for (let i = 0; i < gpus; i++) ids.push(await addGpu(api.db, node, { name: `gpu-${i}` }));
  const { nodeId, clusterId, providerId } = node;
  const { accountId } = api.principals.provider;
  const sold = { product: h100, label: 'self-reported', score: 0, sellable: true, occupied: false } as const;
  const supply = { nodeId, clusterId, providerId, accountId, region: 'eu-1', gpus: ids.map((id) => ({ id, ...sold })) };
  await api.pipeline.submit({ command: { kind: 'supply', node: supply }, actor: null });
  return { nodeId, ids };
}

test('a node with a price sells its free GPUs, without one it does not', async () => {
  const api = await startFullApi();
  const { nodeId, ids } = await ownNode(api, 4);
  const provider = api.as('provider');
  const path = `/nodes/${nodeId}/pricing`;
  expect((await provider.get(path)).status).toBe(404);
  expect((await provider.delete(path)).status).toBe(404);
  expect((await provider.put(path, pricing)).body).toEqual({ success: true });
  expect((await provider.get(path)).body).toEqual({
    node_id: nodeId,
    base_price: '2.50',
    surge_enabled: false,
    max_duration_hours: 8760,
    available_until: null,
    withheld_gpus: 0,
    offers: [{ gpu_type: h100, price: '2.50', open_quantity: 4 }],
  });
  const withheld_gpus = [String(ids[1]).toUpperCase()];
  const available_until = new Date(Date.now() + 48 * 3_600_000).toISOString();
  const given = { ...pricing, base_price: 3, max_duration_hours: 24, available_until, withheld_gpus };
  expect((await provider.put(path, given)).status).toBe(200);
  expect((await provider.get(path)).body).toMatchObject({
    base_price: '3.00',
    max_duration_hours: 24,
    available_until,
    withheld_gpus: [ids[1]],
    offers: [{ gpu_type: h100, price: '3.00', open_quantity: 3 }],
  });
  expect((await provider.delete(path)).body).toEqual({ success: true });
  const depth = await provider.get('/market/depth?gpu_type=H100');
  expect(depth.body.asks).toEqual([]);
  const { body } = await api.as('admin').get('/audit?action=node-pricing.update');
  expect(body.items).toMatchObject([
    { outcome: 'allowed', details: { base_price: '3.00' } },
    { outcome: 'allowed', details: { base_price: '2.50' } },
  ]);
});

test.each<[string, Record<string, unknown>, string]>([
  ['off the tick', { base_price: '2.00005' }, 'body.base_price'],
  ['of nothing', { base_price: 0 }, 'body.base_price'],
  ['too high', { base_price: '10000.0001' }, 'body.base_price'],
  ['of the past', { available_until: '2020-01-01T00:00:00Z' }, 'body.available_until'],
  ['for no hours', { max_duration_hours: 0 }, 'body.max_duration_hours'],
  ['without foreign GPUs', { withheld_gpus: [newId()] }, 'body.withheld_gpus'],
])('a price %s is refused by name', async (_name, given, field) => {
  const api = await startFullApi();
  const { nodeId } = await ownNode(api, 1);
  const reply = await api.as('provider').put(`/nodes/${nodeId}/pricing`, { ...pricing, ...given });
  expect(reply).toMatchObject({ status: 400, body: { field } });
});

test('a node that is decommissioned cannot be priced', async () => {
  const api = await startFullApi();
  const { nodeId } = await ownNode(api, 1);
  await api.as('provider').post(`/nodes/${nodeId}/decommission`, {});
  const reply = await api.as('provider').put(`/nodes/${nodeId}/pricing`, pricing);
  expect(reply).toMatchObject({ status: 409, body: { code: 'GPUB_NODE_DECOMMISSIONED' } });
});

test('spot prices follow the use of a cluster, and estimates what is in the book', async () => {
  const api = await startFullApi();
  const buyer = await api.addPrincipal('consumer');
  const consumer = api.as(buyer);
  await addSupply(api.pipeline, { price: 2 * million, gpus: 4, region: 'eu-1', pricing: { surge: true } });
  await addSupply(api.pipeline, { price: 3 * million, gpus: 4, region: 'us-1', pricing: { maxDurationHours: 10 } });
  await addOrder(api.pipeline, { accountId: buyer.accountId, price: 2 * million, quantity: 2, region: 'eu-1' });
  const spot = await consumer.get('/pricing/spot?gpu_type=H100');
  expect(spot.body.items).toEqual([
    {
      gpu_type: h100,
      region: 'eu-1',
      // Half of it is used; at most a minute later the price says so: 2 × (1 + 2 × 0.25).
      spot_price: expect.stringMatching(/^(2|3)\.00$/),
      utilization: 0.5,
      leased: 2,
      sellable_or_leased: 4,
      available: 2,
    },
    {
      gpu_type: h100,
      region: 'us-1',
      spot_price: '3.00',
      utilization: 0,
      leased: 0,
      sellable_or_leased: 4,
      available: 4,
    },
  ]);
  expect((await consumer.get('/pricing/spot?region=us-1')).body.items).toHaveLength(1);
  expect((await consumer.get('/pricing/spot?gpu_type=nothing')).body.code).toBe('GPUB_UNKNOWN_PRODUCT');
  const ask = { gpu_type: 'H100', quantity: 6, duration_hours: 10, region: 'us-1' };
  expect((await consumer.post('/pricing/calculate', ask)).body).toEqual({
    gpu_type: h100,
    quantity: 6,
    duration_hours: 10,
    region: 'us-1',
    spot_price: '3.00',
    total_price: '180.00',
    book: { filled_quantity: 4, average_price: '3.00', limit_price: '3.00', total_price: '120.00' },
  });
  const longer = await consumer.post('/pricing/calculate', { ...ask, duration_hours: 11 });
  expect(longer.body.book).toEqual({
    filled_quantity: 0,
    average_price: null,
    limit_price: null,
    total_price: '0.00',
  });
  const nowhere = await consumer.post('/pricing/calculate', { ...ask, region: 'moon-1' });
  expect(nowhere.body).toMatchObject({ spot_price: null, total_price: null });
});

test('products show how they are traded, and an admin changes it', async () => {
  const api = await startFullApi();
  const admin = api.as('admin');
  const node = await addNode(api.db, api.principals.provider.accountId);
  await addGpu(api.db, node, { product: `SIM-${h100}` });
  await addGpu(api.db, node, { product: `${h100}-MIG-1g.10gb`, parent: 'gpu' });
  const find = async (id: string) => {
    const { body } = await api.as('consumer').get('/products');
    return body.items.find((product: { id: string }) => product.id === id);
  };
  expect(await find(h100)).toEqual({
    id: h100,
    vendor: 'nvidia',
    model: 'H100',
    form_factor: 'SXM5',
    interconnect: expect.any(String),
    memory_gb: 80,
    aliases: ['H100'],
    tick: '0.0001',
    lot: 1,
    allocation: 'pro-rata',
    trade_price: 'midpoint',
    min_share: 1,
    min_label: 'self-reported',
    gpus_per_node: 8,
    band_bps: null,
    auction_interval_seconds: 900,
    auction_no_cancel_seconds: 120,
    auction_hours: 24,
    interruption_notice_seconds: 120,
    halted: false,
    halt_reason: null,
    last_price: null,
  });
  expect(await find(`SIM-${h100}`)).toMatchObject({ min_label: 'simulated', aliases: ['SIM-H100'] });
  expect(await find(`${h100}-MIG-1g.10gb`)).toMatchObject({ memory_gb: 10, aliases: [] });
  const change = { allocation: 'price-time', band_bps: 500 };
  // One after the other, although they come together: neither undoes the other.
  const [first, second] = await Promise.all([
    admin.patch('/products/H100', change),
    admin.patch(`/products/${h100}`, { gpus_per_node: 4 }),
  ]);
  expect([first.status, second.status]).toEqual([200, 200]);
  expect(await find(h100)).toMatchObject({ ...change, gpus_per_node: 4 });
  await vi.waitFor(async () => {
    const { body } = await admin.get('/audit?action=product.update');
    expect(body.items).toHaveLength(2);
  });
  const refused = await admin.patch('/products/H100', { auction_no_cancel_seconds: 900 });
  expect(refused).toMatchObject({ status: 400, body: { field: 'body.auction_no_cancel_seconds' } });
  const often = await admin.patch('/products/H100', { auction_interval_seconds: 30 });
  expect(often).toMatchObject({ status: 400, body: { field: 'body.auction_interval_seconds' } });
  expect((await admin.patch('/products/NOTHING', change)).body.code).toBe('GPUB_UNKNOWN_PRODUCT');
  expect((await api.as('provider').patch('/products/H100', change)).status).toBe(403);
});

test('the index has pages and revisions, oldest window first', async () => {
  const api = await startFullApi();
  const start = Date.UTC(2026, 0, 5, 12);
  const window = { product: h100, gpus: 3, gpu_hours: 30, volume: 6 * million, min_price: 2 * million, stddev: 0 };
  const rows = [0, 0, 1, 2].map((place, i) => ({
    ...window,
    starts_at: new Date(start + place * 300_000),
    revision: i === 1 ? 1 : 0,
    final: i === 1,
    trades: i + 1,
    vwap: 2 * million,
    max_price: 2 * million,
    published_at: new Date(start + (place + 1) * 300_000 + 1000),
  }));
  await api.db.insertInto('price_index').values(rows).execute();
  const read = async (query: string) => (await api.as('consumer').get(`/pricing/index?gpu_type=H100${query}`)).body;
  const trades = async (query: string) =>
    (await read(query)).items.map((item: { trades: number }) => item.trades) as number[];
  expect((await read('')).items[0]).toEqual({
    gpu_type: h100,
    starts_at: '2026-01-05T12:00:00.000Z',
    ends_at: '2026-01-05T12:05:00.000Z',
    revision: 1,
    final: true,
    trades: 2,
    gpus: 3,
    gpu_hours: 30,
    volume: '6.00',
    vwap: '2.00',
    min_price: '2.00',
    max_price: '2.00',
    stddev: '0.00',
    published_at: '2026-01-05T12:05:01.000Z',
  });
  expect(await trades('')).toEqual([2, 3, 4]);
  expect(await trades('&revision=first')).toEqual([1, 3, 4]);
  expect(await trades('&revision=all')).toEqual([1, 2, 3, 4]);
  expect(await trades('&from=2026-01-05T12:05:00Z&to=2026-01-05T12:10:00Z')).toEqual([3]);
  const { next_cursor } = await read('&revision=all&limit=2');
  expect(await trades(`&revision=all&limit=2&cursor=${next_cursor}`)).toEqual([3, 4]);
});
