// `gpubroker market`, `wallet` and `nodes pricing`, from a priced node to a trade and its money.
import { expect, test, vi } from 'vitest';
import { command } from '../command.ts';
import { emptyHome, type ServedBroker, testBroker } from './broker.ts';
import { fund, priceNode, product, sellingNode } from './market.ts';

interface World {
  readonly broker: ServedBroker;
  readonly node: string;
}

/** Four GPUs at 2 USD, and a consumer with 1,000 USD. */
async function world(): Promise<World> {
  const broker = await testBroker();
  const node = await sellingNode(broker, 4);
  await priceNode(broker, node, '2.00', 4);
  await fund(broker, '1000');
  return { broker, node };
}

const bid = (quantity: number, price: string, ...more: string[]) => {
  const size = ['--quantity', String(quantity), '--price', price, '--hours', '10'];
  return ['market', 'place', 'bid', 'H100', ...size, ...more];
};

test('a node is priced, shown, and sold no more', async () => {
  const { broker, node } = await world();
  const { as } = broker;
  const shown = await as('provider', 'nodes', 'pricing', 'show', node);
  expect(shown.stdout).toMatch(/^base_price +2\.00$/m);
  expect(shown.stdout).toMatch(new RegExp(`^PRODUCT +PRICE +GPUS\\n${product} +2\\.00 +4$`, 'm'));
  const anew = await as('provider', 'nodes', 'pricing', 'set', node, '--price', '3', '--surge', '--withhold', '1');
  expect(anew.stdout).toBe(
    `The free GPUs of node ${node} are sold at 3 per GPU-hour, more when its cluster is used.\n`,
  );
  expect(await broker.json('provider', 'nodes', 'pricing', 'show', node)).toMatchObject({
    base_price: '3.00',
    surge_enabled: true,
    withheld_gpus: 1,
    offers: [{ price: '3.00', open_quantity: 3 }],
  });
  const removed = await as('provider', 'nodes', 'pricing', 'remove', node);
  expect(removed.stdout).toBe(`Node ${node} is not sold any more.\n`);
  expect(await as('provider', 'nodes', 'pricing', 'show', node)).toMatchObject({ code: 3, stdout: '' });
});

test('a bid is previewed, placed, amended, cancelled; its money is held and comes back', async () => {
  const { broker } = await world();
  const { as, json } = broker;
  const flags = ['--quantity', '2', '--price', '1.50', '--hours', '10'];
  const preview = await as('consumer', 'market', 'preview', 'bid', 'H100', ...flags);
  expect(preview.stdout).toMatch(/^resting_quantity +2$/m);
  expect(preview.stderr).toBe('Nothing would be traded at once.\n');
  const placed = await as('consumer', ...bid(2, '1.50', '--client-order-id', 'mine'));
  const [, id = ''] = /: ([0-9a-f-]{36})\n$/.exec(placed.stdout) ?? [];
  expect(placed.stdout).toBe(`Placed: a bid for 2 ${product} at 1.50 for 10 h, pending: ${id}\n`);
  expect(await json('consumer', 'wallet', 'show')).toMatchObject({ available: '970.00', escrow: '30.00' });
  expect((await as('consumer', 'market', 'orders')).stdout).toMatch(/ +bid +H100-SXM5-80GB +0\/2 +1\.50 +10 +pending/);
  expect((await json('consumer', 'market', 'orders', '--client-order-id', 'mine')).items).toHaveLength(1);
  expect((await as('consumer', 'market', 'amend', id, '--price', '1.60')).stdout).toBe(
    `Order ${id} is now a bid for 2 ${product} at 1.60 for 10 h, pending.\n`,
  );
  expect((await as('consumer', 'market', 'cancel', id)).stdout).toBe(`Cancelled order ${id}.\n`);
  expect(await json('consumer', 'wallet', 'show')).toMatchObject({ available: '1000.00', escrow: '0.00' });
  expect(await json('consumer', 'market', 'order', id)).toMatchObject({ status: 'cancelled', client_order_id: 'mine' });
  expect((await as('consumer', 'market', 'orders')).stderr).toContain('No such order');
  expect((await json('consumer', 'market', 'orders', '--status', 'all')).items).toHaveLength(1);
});

test('a trade is made, shown to both, settled and ended; each side sees its money', async () => {
  const { broker } = await world();
  const { as, json, people } = broker;
  const placed = await json('consumer', ...bid(3, '2.40'));
  expect(placed).toMatchObject({ status: 'filled', filled_quantity: 3, placement: 'node' });
  const [trade] = (await json('consumer', 'market', 'trades', '--order', placed.id)).items;
  expect(trade).toMatchObject({ type: 'bid', quantity: 3, price: '2.20', cost: '66.00', status: 'held' });
  expect((await as('provider', 'market', 'trades', '--side', 'ask')).stdout).toMatch(
    new RegExp(`${trade.id} +ask +${product} +3 +2\\.20 +10 +66\\.00 +0\\.00 +held`),
  );
  expect((await as('developer', 'market', 'trade', trade.id)).code).toBe(3);
  const [gpu = ''] = trade.gpu_ids;
  const verified = { label: 'measured' as const, score: 88 };
  await broker.database.db.updateTable('gpus').set(verified).where('id', '=', gpu).execute();
  expect((await as('consumer', 'market', 'trade', trade.id)).stdout).toMatch(
    new RegExp(`\nGPU +MODEL +LABEL +SCORE +MEASURED +PROVEN\n${gpu} +NVIDIA H100 80GB HBM3 +measured +88 +- +-$`, 'm'),
  );
  const settled = await as('admin', 'market', 'settle', trade.id, '--seconds', '3600');
  expect(settled.stdout).toBe(`Trade ${trade.id}: 6.60 of 66.00 is paid.\n`);
  expect((await as('admin', 'market', 'end', trade.id, '--reason', 'done')).stdout).toBe(
    `Trade ${trade.id} is over; 6.60 was paid.\n`,
  );
  expect(await json('provider', 'wallet', 'show')).toMatchObject({ available: '6.60' });
  expect(await json('consumer', 'wallet', 'show')).toMatchObject({ available: '993.40', escrow: '0.00' });
  const transfers = await as('admin', 'wallet', 'transfers', '--account', people.consumer.accountId);
  expect(transfers.stdout).toMatch(/ capture +- +-6\.60 +trade /);
  expect(transfers.stdout).toMatch(/ deposit +\+1000\.00 +- /);
});

test('what cannot be ordered is said with its code', async () => {
  const { broker, node } = await world();
  const { as, json } = broker;
  const poor = await as('developer', ...bid(1, '1'));
  expect(poor).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('[GPUB_INSUFFICIENT_FUNDS]') });
  const foreign = ['ask', 'H100', '--quantity', '1', '--price', '2', '--hours', '1', '--node', node];
  expect((await as('consumer', 'market', 'place', ...foreign)).code).toBe(1);
  expect((await as('consumer', ...bid(1, '1', '--time-in-force', 'fok'))).stdout).toMatch(
    /^Not filled whole \(fill-or-kill\): a bid .+, rejected: /,
  );
  expect(await json('consumer', 'market', 'orders')).toEqual({ items: [] });
  const preview = await json('developer', 'market', 'preview', 'bid', 'H100', ...bid(1, '1').slice(4));
  expect(preview).toMatchObject({ accepted: false, problem: { code: 'GPUB_INSUFFICIENT_FUNDS' } });
});

test('the same key places one order', async () => {
  const { broker } = await world();
  const first = await broker.json('consumer', ...bid(1, '1', '--key', 'only-once'));
  expect(await broker.json('consumer', ...bid(1, '1', '--key', 'only-once'))).toEqual(first);
  expect((await broker.json('consumer', 'market', 'orders')).items).toHaveLength(1);
  const other = await broker.as('consumer', ...bid(2, '1', '--key', 'only-once'));
  expect(other).toMatchObject({ code: 1, stderr: expect.stringContaining('[GPUB_IDEMPOTENCY_KEY_REUSED]') });
});

test.each([
  [['market', 'place', 'bid', 'H100', '--price', '2', '--hours', '1'], '--quantity'],
  [['market', 'place', 'buy', ...bid(1, '2').slice(3)], 'Allowed choices are bid, ask'],
  [[...bid(1, '2.1234567')], 'six decimal places'],
  [[...bid(1, '2'), '--min-score', '101'], 'from 0 to 100'],
  [[...bid(1, '2'), '--expires', 'soon'], 'how long from now'],
  [['market', 'amend', '0198c5a4-7d2f-7c3e-9b1a-4f5d6e7a8b9c'], 'give --quantity, --price or both'],
  [['market', 'halt', '--reason', 'x'], 'give either a product or --all'],
  [['market', 'kill', 'a', '--everybody', '--reason', 'x'], 'give either an account or --everybody'],
  [['market', 'rules', 'H100'], 'give at least one rule'],
  [['wallet', 'deposit', '-5'], 'Give US dollars'],
  [['wallet', 'deposit', 'much'], 'Give US dollars'],
  [['nodes', 'pricing', 'set', 'x', '--price', '2', '--withhold', 'some'], 'ids of GPUs'],
])('%j is wrong usage before anybody is asked', async (words, said) => {
  emptyHome();
  vi.stubEnv('GPUBROKER_API_KEY', 'gpb_key');
  const outcome = await command(...words, '--broker', 'http://127.0.0.1:1');
  expect(outcome).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(said) });
});
