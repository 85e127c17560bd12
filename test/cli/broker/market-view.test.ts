// `gpubroker market`: what everybody sees, and what admins do.
import { expect, test } from 'vitest';
import { type ServedBroker, testBroker } from './broker.ts';
import { fund, priceNode, product, sellingNode } from './market.ts';

/** Eight GPUs at 2 USD; one was bought at 2.50, a bid rests at 1. */
async function world(): Promise<ServedBroker> {
  const broker = await testBroker();
  const node = await sellingNode(broker, 8);
  await priceNode(broker, node, '2.00', 8);
  await fund(broker, '1000');
  const hour = ['--hours', '1'];
  await broker.json('consumer', 'market', 'place', 'bid', 'H100', '--quantity', '1', '--price', '3', ...hour);
  await broker.json('consumer', 'market', 'place', 'bid', 'H100', '--quantity', '2', '--price', '1', ...hour);
  return broker;
}

const squeezed = (text: string) => text.replace(/ +/g, ' ');

test('depth, tape, products, spot and quote', async () => {
  const { as, json } = await world();
  expect(squeezed((await as('developer', 'market', 'depth', 'H100')).stdout)).toMatch(
    /^H100-SXM5-80GB last price 2\.50\nSIDE PRICE GPUS ORDERS\nASK 2\.00 7 1 █+\nBID 1\.00 2 1 █+\n$/,
  );
  expect(squeezed((await as('developer', 'market', 'tape', 'H100')).stdout)).toMatch(
    /^NUMBER AT PRICE GPUS HOURS INTERRUPTIBLE\n1 \S+Z 2\.50 1 1 -\n$/,
  );
  expect(squeezed((await as('developer', 'market', 'products')).stdout)).toMatch(
    new RegExp(`^${product} 2\\.50 trading pro-rata midpoint self-reported 8 900 s$`, 'm'),
  );
  expect(squeezed((await as('developer', 'market', 'spot', 'H100')).stdout)).toContain(
    `${product} eu-north-1 2.00 7 1/8\n`,
  );
  expect((await as('developer', 'market', 'spot', '--region', 'nowhere')).stderr).toContain('Nothing is offered');
  expect(await json('developer', 'market', 'quote', 'H100', '--quantity', '9', '--hours', '2')).toMatchObject({
    spot_price: '2.00',
    total_price: '36.00',
    book: { filled_quantity: 7, total_price: '28.00' },
  });
  expect(await json('developer', 'market', 'index', 'H100')).toEqual({ items: [] });
});

test('an auction that is to come, with its indicative price', async () => {
  const broker = await world();
  const { as, json } = broker;
  const size = ['--quantity', '2', '--price', '2.20', '--hours', '1'];
  await json('consumer', 'market', 'place', 'bid', 'H100', ...size, '--interruptible');
  const { current, items } = await json('developer', 'market', 'auctions', 'H100');
  expect([current, items]).toMatchObject([[{ gpu_type: product, bid_quantity: 2, indicative_volume: 2 }], []]);
  const shown = await as('developer', 'market', 'auctions');
  expect(squeezed(shown.stdout)).toMatch(new RegExp(`^${product} (?:open|no-cancel) \\S+Z 2\\.\\d+ 2 2 \\d+$`, 'm'));
  expect(shown.stderr).toContain('No auction had anything to clear yet');
});

test('halt and resume', async () => {
  const { as } = await world();
  const order = ['market', 'place', 'bid', 'H100', '--quantity', '1', '--price', '3', '--hours', '1'];
  expect((await as('admin', 'market', 'halt', 'H100', '--reason', 'odd prices')).stdout).toBe(
    'Halted H100; `gpubroker market resume` trades again.\n',
  );
  expect(await as('consumer', ...order)).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/odd prices.*\[GPUB_MARKET_HALTED\]/),
  });
  expect((await as('developer', 'market', 'products')).stdout).toContain('halted: odd prices');
  expect((await as('developer', 'market', 'depth', 'H100')).stdout).toContain('HALTED');
  expect((await as('admin', 'market', 'status')).stdout).toMatch(new RegExp(`^product ${product} +odd prices$`, 'm'));
  expect((await as('admin', 'market', 'resume', 'H100')).stdout).toBe('Resumed H100.\n');
  expect((await as('consumer', ...order)).code).toBe(0);
  expect((await as('admin', 'market', 'status')).stderr).toContain('Everything is traded');
});

test('the kill switch of an account', async () => {
  const { as, json, people } = await world();
  const { accountId } = people.consumer;
  expect((await as('admin', 'market', 'kill', accountId, '--reason', 'runaway')).stdout).toBe(
    `Account ${accountId} may order no more; 1 orders were cancelled.\n`,
  );
  const order = ['market', 'place', 'bid', 'H100', '--quantity', '1', '--price', '3', '--hours', '1'];
  expect((await as('consumer', ...order)).stderr).toMatch(/runaway.*\[GPUB_ACCOUNT_STOPPED\]/);
  expect((await as('admin', 'market', 'release', accountId)).stdout).toBe(`Account ${accountId} may order again.\n`);
  expect((await as('consumer', ...order)).code).toBe(0);
  expect(await json('admin', 'market', 'match')).toEqual({ success: true, trades: 0 });
  expect((await as('consumer', 'market', 'kill', '--everybody', '--reason', 'x')).stderr).toContain('GPUB_FORBIDDEN');
});

test('rules of a product', async () => {
  const { as, json } = await world();
  const change = ['--allocation', 'price-time', '--band', '5000', '--auction-interval', '0', '--gpus-per-node', '4'];
  expect((await as('admin', 'market', 'rules', 'H100', ...change)).stdout).toBe(`Changed how ${product} is traded.\n`);
  const { items } = await json('developer', 'market', 'products');
  expect(items.find(({ id }: { id: string }) => id === product)).toMatchObject({
    allocation: 'price-time',
    band_bps: 5_000,
    auction_interval_seconds: 0,
    gpus_per_node: 4,
  });
  const far = ['market', 'place', 'bid', 'H100', '--quantity', '1', '--price', '9', '--hours', '1'];
  expect((await as('consumer', ...far)).stderr).toContain('[GPUB_PRICE_BAND]');
  expect((await json('admin', 'market', 'rules', 'H100', '--band', 'none')).band_bps).toBeNull();
});
