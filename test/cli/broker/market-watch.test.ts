// `gpubroker market watch`: the book as it changes, as lines and as a picture.
import { expect, onTestFinished, test, vi } from 'vitest';
import { watchMarket } from '../../../src/cli/broker/market-watch.ts';
import { createClient } from '../../../src/client/client.ts';
import { type ServedBroker, testBroker } from './broker.ts';
import { fund, priceNode, product, sellingNode } from './market.ts';

async function world(): Promise<ServedBroker> {
  const broker = await testBroker();
  const node = await sellingNode(broker, 4);
  await priceNode(broker, node, '2.00', 4);
  await fund(broker, '1000');
  return broker;
}

/** Bids for one GPU for an hour, without the command line: its output is being watched. */
function bid({ url, people }: ServedBroker, price: string) {
  const body = { type: 'bid', gpu_type: 'H100', quantity: 1, price, duration_hours: 1 } as const;
  return createClient({ url, token: people.consumer.key }).call('POST /orders', { body });
}

interface Watched {
  readonly output: () => string;
  readonly stop: () => Promise<void>;
}

/** @param terminal whether standard output is one, of 80 columns and 24 rows */
function watch({ url, people }: ServedBroker, { json = false, terminal = false } = {}): Watched {
  const written = { text: '' };
  const append = (text: string | Uint8Array) => {
    written.text += String(text);
    return true;
  };
  const spies = [
    vi.spyOn(process.stdout, 'write').mockImplementation(append),
    vi.spyOn(process.stderr, 'write').mockImplementation(append),
  ];
  const before = ['isTTY', 'columns', 'rows'].map(
    (name) => [name, Object.getOwnPropertyDescriptor(process.stdout, name)] as const,
  );
  Object.defineProperty(process.stdout, 'isTTY', { value: terminal, configurable: true });
  Object.defineProperty(process.stdout, 'columns', { value: 80, configurable: true });
  Object.defineProperty(process.stdout, 'rows', { value: 24, configurable: true });
  onTestFinished(() => {
    for (const spy of spies) spy.mockRestore();
    for (const [name, descriptor] of before) {
      if (descriptor) Object.defineProperty(process.stdout, name, descriptor);
      else Reflect.deleteProperty(process.stdout, name);
    }
  });
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  const client = createClient({ url, token: people.developer.key });
  const ended = watchMarket(client, { product: 'H100', levels: 10, json }, stop.signal, { first: 20, longest: 100 });
  ended.catch(() => undefined);
  return {
    output: () => written.text,
    stop: () => {
      stop.abort();
      return ended;
    },
  };
}

const patience = { timeout: 15_000, interval: 20 };
const seen = ({ output }: Watched, what: RegExp) => vi.waitFor(() => expect(output()).toMatch(what), patience);

test('lines where there is no terminal: the book, then its changes and trades', async () => {
  const broker = await world();
  const watched = watch(broker);
  await seen(watched, /^\S+Z {2}depth {2}bid - {2}ask 2\.00 x 4$/m);
  await bid(broker, '1.00');
  await seen(watched, /depth {2}bid 1\.00 x 1 {2}ask 2\.00 x 4$/m);
  await bid(broker, '2.00');
  await seen(watched, /^\S+Z {2}trade {2}1 at 2\.00 for 1 h$/m);
  await seen(watched, /depth {2}bid 1\.00 x 1 {2}ask 2\.00 x 3$/m);
  await watched.stop();
});

test('an object a line with --json', async () => {
  const broker = await world();
  const watched = watch(broker, { json: true });
  await seen(watched, /^\{"event":"depth",/m);
  await bid(broker, '2.00');
  await seen(watched, /^\{"event":"trade",/m);
  await watched.stop();
  const events = watched
    .output()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(events[0]).toMatchObject({
    event: 'depth',
    data: { gpu_type: product, asks: [{ price: '2.00', quantity: 4 }] },
  });
});

test('a picture on a terminal, which is given back at the end; a restart of the broker is survived', async () => {
  const broker = await world();
  const watched = watch(broker, { terminal: true });
  await seen(watched, /ASK {3}2\.00 {3}4/);
  expect(watched.output().startsWith('\u001b[?1049h\u001b[?25l')).toBe(true);
  await bid(broker, '2.00');
  await seen(watched, /TRADES/);
  await broker.stop();
  await seen(watched, /following again|broker ended the stream/);
  await broker.start();
  await bid(broker, '1.25');
  await seen(watched, /BID {3}1\.25 {3}1/);
  await watched.stop();
  const [, after = ''] = watched.output().split('\u001b[?25h\u001b[?1049l');
  expect(after).toMatch(/^H100-SXM5-80GB\n/);
  expect(after).not.toContain('\u001b[H');
});

test('a product that does not exist is told at once', async () => {
  const broker = await testBroker();
  expect(await broker.as('developer', 'market', 'watch', 'H1000')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('GPUB_UNKNOWN_PRODUCT'),
  });
});
