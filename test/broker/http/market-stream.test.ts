// The live market over real sockets: what comes, when, and what happens to clients that are gone, late or slow.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { pino } from 'pino';
import { expect, onTestFinished, test, vi } from 'vitest';
import { marketRoutes } from '../../../src/broker/api/http/routes/market.ts';
import { MarketStream, type MarketStreamLimits } from '../../../src/broker/market/stream.ts';
import { createClient, type ServerEvent } from '../../../src/client/client.ts';
import { startTestApi, type TestPrincipal } from '../../fixtures/broker-http.ts';
import { openTestMarket } from '../../fixtures/open-market.ts';
import { addOrder, addSupply } from './trading.ts';

const million = 1_000_000;

async function startStreams(limits: Partial<MarketStreamLimits> = {}) {
  const opened = Promise.withResolvers<Awaited<ReturnType<typeof openTestMarket>>>();
  const streams = Promise.withResolvers<MarketStream>();
  const api = await startTestApi(async (app, services, database) => {
    const market = await openTestMarket(database);
    const now = () => Date.now();
    const marketStream = new MarketStream({ ...market, now, log: pino({ level: 'silent' }), limits });
    marketRoutes(app, { ...services, ...market, marketStream });
    opened.resolve(market);
    streams.resolve(marketStream);
  });
  const url = await api.app.listen({ host: '127.0.0.1', port: 0 });
  const { pipeline } = await opened.promise;
  return { ...api, url, pipeline, stream: await streams.promise };
}

/** What a client hears, one event at a time; it leaves when the test ends. */
function listen(
  url: string,
  who: TestPrincipal,
  { lastId, product = 'H100' }: { lastId?: string; product?: string } = {},
) {
  const leaving = new AbortController();
  onTestFinished(() => leaving.abort());
  const events = createClient({ url, token: who.key }).follow(
    `/market/stream?gpu_type=${product}&levels=5`,
    leaving.signal,
    lastId,
  );
  const next = async () => {
    const { value } = await events.next();
    return value as ServerEvent;
  };
  /** Of this name; others are passed over. */
  const nextOf = async (name: string): Promise<ServerEvent> => {
    for (;;) {
      const event = await next();
      if (event.event === name) return event;
    }
  };
  return { next, nextOf, leave: () => leaving.abort() };
}

test('a client gets the book, then each change and each trade', async () => {
  const { url, principals, pipeline } = await startStreams();
  const { accountId } = await principals.consumer;
  const client = listen(url, principals.developer);
  const first = await client.next();
  expect(first).toMatchObject({ event: 'depth' });
  expect(JSON.parse(first.data)).toMatchObject({ gpu_type: 'H100-SXM5-80GB', bids: [], asks: [] });
  await addSupply(pipeline, { price: 2 * million });
  expect(JSON.parse((await client.nextOf('depth')).data).asks).toEqual([{ price: '2.00', quantity: 8, orders: 1 }]);
  await addOrder(pipeline, { accountId, price: 2 * million, quantity: 3 });
  const trade = await client.nextOf('trade');
  expect(trade.id).toBe('1');
  expect(JSON.parse(trade.data)).toEqual({
    number: 1,
    gpu_type: 'H100-SXM5-80GB',
    price: '2.00',
    quantity: 3,
    duration_hours: 1,
    interruptible: false,
    executed_at: expect.any(String),
  });
  expect(JSON.parse((await client.nextOf('depth')).data)).toMatchObject({
    asks: [{ price: '2.00', quantity: 5, orders: 1 }],
    last_price: '2.00',
  });
});

test('a client that comes back gets the trades that it missed, each once', async () => {
  const { url, principals, pipeline } = await startStreams();
  const { accountId } = principals.consumer;
  await addSupply(pipeline, { price: million });
  for (let trade = 1; trade <= 4; trade++) await addOrder(pipeline, { accountId, price: million });
  const client = listen(url, principals.developer, { lastId: '1' });
  const numbers = [];
  for (let trade = 2; trade <= 4; trade++) numbers.push((await client.nextOf('trade')).id);
  await addOrder(pipeline, { accountId, price: million });
  numbers.push((await client.nextOf('trade')).id);
  expect(numbers).toEqual(['2', '3', '4', '5']);
});

test('a client hears of the product that it follows, and of no other', async () => {
  const { url, principals, pipeline } = await startStreams();
  const { accountId } = principals.consumer;
  await addSupply(pipeline, { price: million });
  await addSupply(pipeline, { price: million, product: 'A100-SXM4-80GB' });
  const client = listen(url, principals.developer, { product: 'A100-80GB' });
  await client.next();
  await addOrder(pipeline, { accountId, price: million });
  await addOrder(pipeline, { accountId, price: million, product: 'A100-SXM4-80GB' });
  expect(JSON.parse((await client.nextOf('trade')).data)).toMatchObject({ number: 2, gpu_type: 'A100-SXM4-80GB' });
});

test('there are only so many streams, and one that ends makes room', async () => {
  const { url, principals, stream } = await startStreams({ clientsOfAccount: 1, clients: 2 });
  const first = listen(url, principals.developer);
  await first.next();
  await expect(listen(url, principals.developer).next()).rejects.toMatchObject({ code: 'GPUB_TOO_MANY_STREAMS' });
  await listen(url, principals.consumer).next();
  await expect(listen(url, principals.provider).next()).rejects.toMatchObject({ code: 'GPUB_TOO_MANY_STREAMS' });
  first.leave();
  await vi.waitFor(() => expect(stream.size).toBe(1));
  await listen(url, principals.developer).next();
});

test('a key that is revoked is listened with no longer', async () => {
  const { url, principals, services, db } = await startStreams({ heartbeat: 20 });
  const client = listen(url, principals.developer);
  await client.next();
  const { credentialId } = principals.developer;
  await db.updateTable('api_keys').set({ revoked_at: new Date() }).where('id', '=', credentialId).execute();
  await services.identity.cache.revoke([credentialId]);
  // The stream ends by itself, and so does the generator.
  expect(await client.next()).toBeUndefined();
});

test('a client that does not read is cut, and the others go on', async () => {
  const { url, principals, pipeline, stream } = await startStreams({ interval: 1, buffer: 10_000 });
  const reader = listen(url, principals.consumer);
  await reader.next();
  const socket = await deafClient(url, principals.developer.key);
  onTestFinished(() => void socket.destroy());
  await vi.waitFor(() => expect(stream.size).toBe(2));
  const { accountId } = principals.provider;
  const places = 80;
  for (let place = 0; place < places; place++) {
    await addOrder(pipeline, { accountId, price: million + place * 100 });
  }
  // Every order changes a book of many levels: soon more is owed than sockets and buffer hold.
  let orders = 0;
  while (stream.size === 2 && orders++ < 20_000) {
    const batch = Array.from({ length: 20 }, (_, place) =>
      addOrder(pipeline, { accountId, price: million + (place % places) * 100 }),
    );
    await Promise.all(batch);
  }
  expect(stream.size).toBe(1);
  expect((await reader.nextOf('depth')).event).toBe('depth');
}, 120_000);

/** Asks for the stream of many levels, and never reads. */
async function deafClient(url: string, key: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  socket.pause();
  socket.write(
    `GET /api/v2/market/stream?gpu_type=H100&levels=100 HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nAuthorization: Bearer ${key}\r\n\r\n`,
  );
  return socket;
}

test('without asking for a stream one gets the depth', async () => {
  const { as } = await startStreams();
  const { status, body } = await as('developer').get('/market/stream?gpu_type=H100');
  expect({ status, bids: body.bids }).toEqual({ status: 200, bids: [] });
});
