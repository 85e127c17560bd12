// The small HTTP server: what it refuses, and how it starts and stops.
import { once } from 'node:events';
import { connect } from 'node:net';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type HttpService, startHttpService, text } from '../../src/daemon/http-service.ts';

const log = pino({ enabled: false });
const slow = Promise.withResolvers<void>();
let service: HttpService;

function start(port = 0, host = '127.0.0.1') {
  return startHttpService({
    name: 'health',
    host,
    port,
    log,
    routes: {
      '/hello': () => text(200, 'hello\n'),
      '/broken': () => {
        throw new Error('broken');
      },
      '/slow': () => slow.promise.then(() => text(200, 'at last\n')),
    },
  });
}

beforeAll(async () => {
  service = await start();
});

afterAll(() => service.close());

function request(path: string, init: RequestInit = {}) {
  return fetch(`http://127.0.0.1:${service.port}${path}`, init);
}

test('GET and HEAD are answered', async () => {
  expect(await (await request('/hello')).text()).toBe('hello\n');
  const head = await request('/hello', { method: 'HEAD' });
  expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, '6', '']);
});

test('other methods are refused', async () => {
  const response = await request('/hello', { method: 'POST', body: 'x' });
  expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
});

test.each(['/', '/hello/', '/constructor', '/__proto__', '//hello'])('%s is not found, with a hint', async (path) => {
  const response = await request(path);
  expect(response.status).toBe(404);
  expect(await response.text()).toContain('try /hello');
});

test('a route that fails is an internal error', async () => {
  expect((await request('/broken')).status).toBe(500);
});

test('a port in use is a clear error', async () => {
  await expect(start(service.port)).rejects.toMatchObject({
    code: 'GPUB_ADDRESS_IN_USE',
    message: `health: 127.0.0.1:${service.port} is in use by another process`,
  });
});

test('an address that is not of this machine is a clear error', async () => {
  await expect(start(0, '192.0.2.1')).rejects.toMatchObject({ code: 'GPUB_ADDRESS_REFUSED' });
});

test('a client that sends nothing is cut', async () => {
  const socket = connect(service.port, '127.0.0.1');
  socket.resume().write('GET /hello HT');
  await once(socket, 'close');
}, 15_000);

test('closing waits for replies in progress, and cuts them by force', async () => {
  const closing = await start();
  const reply = fetch(`http://127.0.0.1:${closing.port}/slow`).catch(() => 'cut');
  await new Promise((resolve) => setTimeout(resolve, 100));
  const force = new AbortController();
  let closed = false;
  const done = closing.close(force.signal).then(() => {
    closed = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(closed).toBe(false);
  force.abort();
  await done;
  expect(await reply).toBe('cut');
});
