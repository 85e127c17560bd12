// The typed client, against a real HTTP server: paths, queries, problems, pages, patience, streams.
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { ApiProblem, BrokerUnreachable, createClient } from '../../src/client/client.ts';

/** Serves; returns the URL and every request that came. */
async function serve(listener: RequestListener): Promise<{ url: string; requests: IncomingMessage[] }> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    listener(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  return { url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/`, requests };
}

const json = { 'content-type': 'application/json' };
const problem = { 'content-type': 'application/problem+json' };

test('fills the path, sends the query and the key, and reads the answer', async () => {
  const { url, requests } = await serve((_request, response) => {
    response.writeHead(200, json).end('{"items":[],"next_cursor":null}');
  });
  const client = createClient({ url, token: 'gpb_key' });
  const params = { id: 'a/../b?c' };
  const page = await client.call('GET /pools/{id}/gpus', { params, query: { cursor: 'eu&x=1' } });
  expect(page).toEqual({ items: [], next_cursor: null });
  expect(requests[0]?.url).toBe('/api/v2/pools/a%2F..%2Fb%3Fc/gpus?cursor=eu%26x%3D1');
  expect(requests[0]?.headers.authorization).toBe('Bearer gpb_key');
});

test('a problem is thrown with its code, field and what is allowed; a write is not tried again', async () => {
  const { url, requests } = await serve((_request, response) => {
    const body = { detail: 'no', code: 'GPUB_INVALID', field: 'body.name', allowed: 'a name', request_id: 'r1' };
    response.writeHead(503, { ...problem, 'retry-after': '1' }).end(JSON.stringify(body));
  });
  const body = { name: 'n', company: 'c' };
  const error = await createClient({ url })
    .call('POST /providers', { body })
    .catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(ApiProblem);
  const expected = { status: 503, code: 'GPUB_INVALID', field: 'body.name', allowed: 'a name', retryAfter: 1 };
  expect(error).toMatchObject({ ...expected, requestId: 'r1', message: 'no' });
  expect(requests).toHaveLength(1);
});

test('a GET is tried again when the broker is overloaded', async () => {
  let answers = 0;
  const { url } = await serve((_request, response) => {
    if (answers++ === 0) response.writeHead(503, problem).end('{}');
    else response.writeHead(200, json).end('{"items":[]}');
  });
  expect(await createClient({ url }).call('GET /products', {})).toEqual({ items: [] });
  expect(answers).toBe(2);
});

test('a write with a key is sent again with the same key when no answer came', async () => {
  const { url, requests } = await serve((request, response) => {
    if (requests.length < 3) request.socket.destroy();
    else response.writeHead(201, json).end('{"provider_id":"1"}');
  });
  const body = { name: 'n', company: 'c' };
  expect(await createClient({ url }).call('POST /providers', { body, key: 'k1' })).toEqual({ provider_id: '1' });
  expect(requests.map(({ headers }) => headers['idempotency-key'])).toEqual(['k1', 'k1', 'k1']);
});

test('something else than the broker is a problem without a code, not a crash', async () => {
  const { url } = await serve((_request, response) => response.writeHead(502).end('<h1>Bad gateway</h1>'));
  const body = { name: 'n', company: 'c' };
  await expect(createClient({ url }).call('POST /providers', { body })).rejects.toMatchObject({
    status: 502,
    code: '',
  });
});

test('nobody who listens, and nobody who answers in time, is unreachable', async () => {
  const { url } = await serve(() => undefined);
  const body = { name: 'n', company: 'c' };
  const silent = createClient({ url, timeout: 50 }).call('POST /providers', { body });
  await expect(silent).rejects.toThrow(/no answer in time/);
  const nobody = createClient({ url: 'http://127.0.0.1:1' }).call('POST /providers', { body });
  await expect(nobody).rejects.toBeInstanceOf(BrokerUnreachable);
});

test('all walks the pages', async () => {
  const { url, requests } = await serve((request, response) => {
    const isSecond = request.url?.includes('cursor=two');
    const page = isSecond ? { items: [3], next_cursor: null } : { items: [1, 2], next_cursor: 'two' };
    response.writeHead(200, json).end(JSON.stringify(page));
  });
  const items = [];
  for await (const item of createClient({ url }).all('GET /nodes', { query: { limit: 2 } })) items.push(item);
  expect(items).toEqual([1, 2, 3]);
  expect(requests.map((request) => request.url)).toEqual(['/api/v2/nodes?limit=2', '/api/v2/nodes?limit=2&cursor=two']);
});

test('follow hands on events, also those cut anywhere, and leaves comments out', async () => {
  const { url, requests } = await serve((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const text = ': beat\n\nid: 7\nevent: gpu.changed\ndata: {"a":\ndata: 1}\n\nid: 8\r\ndata: ü\r\n\r\n';
    for (const byte of Buffer.from(text)) response.write(Buffer.of(byte));
    response.end();
  });
  const events = [];
  const { signal } = new AbortController();
  for await (const event of createClient({ url }).follow('/inventory/changes', signal, '6')) events.push(event);
  expect(events).toEqual([
    { id: '7', event: 'gpu.changed', data: '{"a":\n1}' },
    { id: '8', event: 'message', data: 'ü' },
  ]);
  expect(requests[0]?.headers['last-event-id']).toBe('6');
});
