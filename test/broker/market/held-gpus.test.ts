// Which node is told of which GPUs, and when.
import { expect, onTestFinished, test, vi } from 'vitest';
import { tellHeldGpus } from '../../../src/broker/market/held-gpus.ts';
import type { Database } from '../../../src/broker/storage/database.ts';
import { addTestPrincipal } from '../../fixtures/broker-http.ts';
import { h100, million, nodePricing, startTestMarket } from '../../fixtures/market.ts';
import { addGpu, addNode } from '../../fixtures/registry.ts';

/** A priced node with three GPUs; and what nodes are told, in order. */
async function setUp() {
  const market = await startTestMarket();
  const { db } = market.database;
  const { accountId } = await addTestPrincipal(db, 'provider');
  const node = await addNode(db, accountId);
  const gpus: string[] = [];
  for (const name of ['gpu-a', 'gpu-b', 'gpu-c']) gpus.push(await addGpu(db, node, { name }));
  const sellable = { product: h100, label: 'measured', score: 80, sellable: true, occupied: false } as const;
  const supply = { ...node, accountId, region: 'eu-north-1', gpus: gpus.map((id) => ({ ...sellable, id })) };
  await market.submit({ kind: 'supply', node: supply });
  await market.submit({ kind: 'set-pricing', pricing: nodePricing(node.nodeId, 2 * million) });
  const buyer = await addTestPrincipal(db, 'consumer');
  await market.deposit(buyer.accountId, 1_000 * million);
  const told: [string, readonly string[]][] = [];
  const warned: string[] = [];
  const start = (database: Pick<Database, 'getExecutor'> = db) => {
    const teller = tellHeldGpus({
      db: database as Database,
      pipeline: market.pipeline,
      tell: (nodeId, names) => told.push([nodeId, names]),
      log: { warn: (_details, message) => warned.push(message) },
    });
    onTestFinished(() => teller.stop());
    return teller;
  };
  const buy = (quantity: number) => market.place({ accountId: buyer.accountId, quantity });
  const heard = (...names: string[]) => vi.waitFor(() => expect(told.at(-1)).toEqual([node.nodeId, names]));
  const trades = () => db.selectFrom('trades').select('id').where('ended_at', 'is', null).orderBy('number').execute();
  return { market, db, node, told, warned, start, buy, heard, trades };
}

test('a node hears of every GPU that trades hold, of all that are left when a hold ends, and when it connects', async () => {
  const { market, node, told, start, buy, heard, trades } = await setUp();
  const teller = start();
  await buy(1);
  await vi.waitFor(() => expect(told.at(-1)?.[1]).toHaveLength(1));
  await buy(2);
  await heard('gpu-a', 'gpu-b', 'gpu-c');
  const [first] = await trades();
  await market.submit({ kind: 'end-hold', tradeId: first?.id ?? '', reason: 'test' });
  await vi.waitFor(() => expect(told.at(-1)?.[1]).toHaveLength(2));
  const before = told.at(-1);
  teller.tell(node.nodeId);
  await vi.waitFor(() => expect(told.at(-1)).not.toBe(before));
  expect(told.at(-1)).toEqual(before);
});

test('a node without trades hears that nothing is held', async () => {
  const { node, start, heard } = await setUp();
  start().tell(node.nodeId);
  await heard();
});

test('while the database fails it is tried again, and nothing is lost', async () => {
  const { db, warned, start, buy, told } = await setUp();
  let failing = true;
  const executor = () => {
    if (failing) throw new Error('the database is away');
    return db.getExecutor();
  };
  start({ getExecutor: executor });
  await buy(3);
  await vi.waitFor(() => expect(warned.length).toBeGreaterThan(1));
  expect(told).toEqual([]);
  failing = false;
  await vi.waitFor(() => expect(told.at(-1)?.[1]).toEqual(['gpu-a', 'gpu-b', 'gpu-c']), { timeout: 5_000 });
});
