// What a request for an order becomes: defaults, names, and what excludes each other.
import { describe, expect, test } from 'vitest';
import type { NewOrder as OrderBody } from '../../../src/api/orders.ts';
import { defaultRules } from '../../../src/broker/engine/order.ts';
import { newId } from '../../../src/broker/ids.ts';
import { newOrderFrom } from '../../../src/broker/market/new-order.ts';
import { createProductNames } from '../../../src/broker/market/product-names.ts';
import { Refusal } from '../../../src/broker/refusal.ts';
import { testDatabase } from '../../fixtures/database.ts';

const now = Date.parse('2026-06-01T12:00:00Z');
const later = '2026-06-01T13:00:00Z';
const nodeId = newId();
const somebody = { accountId: newId(), userId: newId() };
const bid: OrderBody = { type: 'bid', gpu_type: 'H100', quantity: 4, price: '2.50', duration_hours: 24 };
const ask: OrderBody = { ...bid, type: 'ask', node_id: nodeId };

async function orderOf(body: OrderBody) {
  const { db } = await testDatabase();
  const states = {
    of: (product: string) => ({ product, rules: defaultRules(product), haltReason: null, lastPrice: null }),
    all: () => [],
    stop: () => {},
  };
  return newOrderFrom({ names: createProductNames(db, () => now), states }, somebody, body, now);
}

test('a bid has every field, with the defaults filled in', async () => {
  const { id, ...order } = await orderOf(bid);
  expect(id).toMatch(/^[0-9a-f-]{36}$/);
  expect(order).toEqual({
    ...somebody,
    clientOrderId: null,
    side: 'bid',
    product: 'H100-SXM5-80GB',
    quantity: 4,
    price: 2_500_000,
    durationHours: 24,
    timeInForce: 'gtc',
    expiresAt: null,
    allOrNone: false,
    minQuantity: 1,
    placement: 'node',
    region: null,
    minScore: 0,
    minLabel: null,
    nodeId: null,
    interruptible: false,
  });
});

test.each([
  ['more than a node holds', { quantity: 9 }, 'any'],
  ['as much as a node holds', { quantity: 8 }, 'node'],
  ['what takes less at a time', { min_quantity: 2 }, 'any'],
  ['what is for the auction', { interruptible: true }, 'any'],
  ['what says so itself', { quantity: 2, placement: 'cluster' as const }, 'cluster'],
])('a bid for %s is placed accordingly', async (_what, more, placement) => {
  expect(await orderOf({ ...bid, ...more })).toMatchObject({ placement });
});

test('an ask names a node, and has the neutral values of what bids alone have', async () => {
  expect(await orderOf({ ...ask, quantity: 2, expires_at: later })).toMatchObject({
    side: 'ask',
    nodeId,
    placement: 'any',
    minQuantity: 1,
    allOrNone: false,
    region: null,
    minScore: 0,
    minLabel: null,
    timeInForce: 'gtd',
    expiresAt: Date.parse(later),
  });
});

test.each<[string, OrderBody]>([
  ['body.node_id', { ...bid, node_id: nodeId }],
  ['body.node_id', { ...bid, type: 'ask' }],
  ['body.all_or_none', { ...ask, all_or_none: false }],
  ['body.min_quantity', { ...ask, min_quantity: 1 }],
  ['body.placement', { ...ask, placement: 'any' }],
  ['body.region', { ...ask, region: 'eu' }],
  ['body.min_score', { ...ask, min_score: 0 }],
  ['body.min_label', { ...ask, min_label: 'measured' }],
  ['body.min_quantity', { ...bid, min_quantity: 5 }],
  ['body.expires_at', { ...bid, time_in_force: 'gtd' }],
  ['body.expires_at', { ...bid, expires_at: '2026-06-01T12:00:00Z' }],
  ['body.expires_at', { ...bid, time_in_force: 'ioc', expires_at: later }],
  ['body.price', { ...bid, price: '2.50001' }],
  ['body.price', { ...bid, price: '0' }],
  ['body.price', { ...bid, price: '10000.0001' }],
  ['body.price', { ...bid, price: 1e-7 }],
  ['body.gpu_type', { ...bid, gpu_type: 'H100-SXM5-81GB' }],
])('%s is refused by name', async (field, body) => {
  const refusal = await orderOf(body).catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(Refusal);
  expect(refusal).toMatchObject({ kind: 'invalid', details: { field, allowed: expect.any(String) } });
});

describe('names of products', () => {
  test('ids and aliases of the table, simulated ones too, need no database', async () => {
    const { db } = await testDatabase();
    const names = createProductNames(db, () => now);
    expect(names.resolve('H100', 'f')).toBe('H100-SXM5-80GB');
    expect(names.resolve('A100-SXM4-40GB', 'f')).toBe('A100-SXM4-40GB');
    expect(names.resolve('SIM-H100', 'f')).toBe('SIM-H100-SXM5-80GB');
  });

  test('what an admin maps is known soon after it was not', async () => {
    const { db } = await testDatabase();
    let time = now;
    const names = createProductNames(db, () => time);
    const resolve = async () => names.resolve('H800-SXM5-80GB', 'body.gpu_type');
    await expect(resolve()).rejects.toMatchObject({ code: 'GPUB_UNKNOWN_PRODUCT' });
    await db
      .insertInto('product_mappings')
      .values({
        vendor: 'nvidia',
        model: 'NVIDIA H800',
        memory_gb: 80,
        product: 'H800-SXM5-80GB',
        form_factor: 'SXM5',
        interconnect: 'NVLink4',
        created_at: new Date(now),
      })
      .execute();
    await expect(resolve()).rejects.toMatchObject({ code: 'GPUB_UNKNOWN_PRODUCT' });
    time += 5_000;
    expect(await resolve()).toBe('H800-SXM5-80GB');
    // Remembered from now on.
    expect(names.resolve('H800-SXM5-80GB', 'body.gpu_type')).toBe('H800-SXM5-80GB');
  });
});
