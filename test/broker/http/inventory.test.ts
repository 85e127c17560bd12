// Snapshots of a time, and changes as pages and as a stream, over HTTP.
import { get, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test, vi } from 'vitest';
import { appendToJournal } from '../../../src/broker/events/journal.ts';
import { newId } from '../../../src/broker/ids.ts';
import type { TestPrincipal } from '../../fixtures/broker-http.ts';
import { addNode, type RegistryApi, startRegistryApi, type TestNode } from '../../fixtures/registry.ts';

const minute = (at: number) => new Date(Date.UTC(2026, 0, 1, 0, at));

/** Appends an event about a GPU. */
async function happen({ db }: RegistryApi, node: TestNode, kind: string, gpuId: string, at: Date, data = {}) {
  await db.transaction().execute((trx) => appendToJournal(trx, [{ kind, at, ...node, gpuId, data }]));
}

test('a snapshot shows every GPU as it was, and none that was gone', async () => {
  const api = await startRegistryApi();
  const node = await addNode(api.db, api.principals.provider.accountId);
  const strange = await addNode(api.db, api.principals.admin.accountId);
  // In the order of their ids, which is that of a snapshot.
  const [a, b, c, d] = [1, 2, 3, 4].map((time) => newId(time)) as [string, string, string, string];
  const h100 = { product: 'H100-SXM5-80GB', health: 'healthy' };
  await happen(api, node, 'gpu.added', a, minute(1), h100);
  await happen(api, node, 'gpu.added', b, minute(2), h100);
  await happen(api, strange, 'gpu.added', d, minute(2), h100);
  await happen(api, node, 'gpu.changed', a, minute(3), { ...h100, health: 'unhealthy' });
  await happen(api, node, 'gpu.removed', b, minute(4));
  await happen(api, node, 'gpu.added', c, minute(5), { product: null, health: 'healthy' });
  const who = api.as('provider');
  const at = async (time: Date, more = '') => {
    const { body } = await who.get(`/inventory/snapshot?at=${time.toISOString()}${more}`);
    return body;
  };
  expect((await at(minute(0))).items).toEqual([]);
  expect((await at(minute(2))).items).toMatchObject([
    { gpu_id: a, gpu: { health: 'healthy' } },
    { gpu_id: b, gpu: h100 },
  ]);
  const then = await at(minute(3), '&summary=true');
  expect(then).toMatchObject({ seq: 4, items: [{ gpu_id: a, gpu: { health: 'unhealthy' } }, { gpu_id: b }] });
  expect(then.summary).toEqual([
    { product: 'H100-SXM5-80GB', health: 'healthy', gpus: 1 },
    { product: 'H100-SXM5-80GB', health: 'unhealthy', gpus: 1 },
  ]);
  expect((await at(minute(9))).items.map((item: { gpu_id: string }) => item.gpu_id)).toEqual([a, c]);
  const first = await at(minute(9), '&limit=1');
  await happen(api, node, 'gpu.removed', c, minute(6));
  const second = await at(minute(9), `&limit=1&cursor=${first.next_cursor}`);
  expect([first.items[0].gpu_id, second.items[0].gpu_id, second.next_cursor]).toEqual([a, c, null]);
  expect((await api.as('admin').get(`/inventory/snapshot?at=${minute(9).toISOString()}`)).body.items).toHaveLength(2);
  expect((await api.as('consumer').get(`/inventory/snapshot?at=${minute(9).toISOString()}`)).body.items).toEqual([]);
});

test('what an event says of a verification is no part of the GPU', async () => {
  const api = await startRegistryApi();
  const node = await addNode(api.db, api.principals.provider.accountId);
  const gpu = { product: 'H100-SXM5-80GB', health: 'healthy', label: 'measured' };
  await happen(api, node, 'gpu.measured', newId(), minute(1), { ...gpu, verification: { kind: 'measurement' } });
  const { body } = await api.as('provider').get(`/inventory/snapshot?at=${minute(2).toISOString()}`);
  expect(body.items.map((item: { gpu: unknown }) => item.gpu)).toEqual([gpu]);
});

test('a snapshot steps over any number of GPUs that are gone', async () => {
  const api = await startRegistryApi();
  const node = await addNode(api.db, api.principals.provider.accountId);
  for (let count = 0; count < 9; count++) await happen(api, node, 'gpu.removed', newId(), minute(1));
  const last = newId();
  await happen(api, node, 'gpu.added', last, minute(1));
  const { body } = await api.as('provider').get(`/inventory/snapshot?limit=2&at=${minute(1).toISOString()}`);
  expect(body).toMatchObject({ items: [{ gpu_id: last }], next_cursor: null });
});

test('a time that is to come, or longer ago than the journal reaches, is refused', async () => {
  const api = await startRegistryApi({ now: () => minute(60), journalRetention: 30 * 60_000 });
  const at = (time: Date) => api.as('provider').get(`/inventory/snapshot?at=${time.toISOString()}`);
  expect((await at(minute(61))).body).toMatchObject({ code: 'GPUB_INVALID', field: 'query.at' });
  expect((await at(minute(29))).body).toMatchObject({ code: 'GPUB_TOO_OLD', field: 'query.at' });
  expect((await at(minute(31))).status).toBe(200);
});

test('changes come in pages, those of the caller alone, and `next` passes over those of others', async () => {
  const api = await startRegistryApi();
  const node = await addNode(api.db, api.principals.provider.accountId);
  const strange = await addNode(api.db, api.principals.admin.accountId);
  const gpus = [newId(), newId(), newId()];
  for (const gpu of gpus) {
    await happen(api, strange, 'gpu.added', newId(), minute(1));
    await happen(api, node, 'gpu.added', gpu, minute(1));
  }
  await happen(api, strange, 'gpu.added', newId(), minute(1));
  const who = api.as('provider');
  const first = (await who.get('/inventory/changes?limit=2')).body;
  expect(first).toMatchObject({ items: [{ seq: 2, gpu_id: gpus[0] }, { seq: 4 }], next: 4 });
  const rest = (await who.get(`/inventory/changes?limit=2&after=${first.next}`)).body;
  expect(rest).toMatchObject({ items: [{ seq: 6, kind: 'gpu.added', node_id: node.nodeId }], next: 7 });
  expect((await who.get('/inventory/changes?after=7')).body).toEqual({ items: [], next: 7 });
});

/** A client of the stream. */
interface Listener {
  /** The ids and kinds that it heard. */
  readonly heard: [number, string][];
  text(): string;
  readonly response: IncomingMessage;
  close(): void;
}

async function listen(api: RegistryApi, who: TestPrincipal, query = '', headers: Record<string, string> = {}) {
  if (!api.app.server.listening) await api.app.listen({ port: 0, host: '127.0.0.1' });
  const { port } = api.app.server.address() as AddressInfo;
  const path = `/api/v2/inventory/changes${query}`;
  const all = { authorization: `Bearer ${who.key}`, accept: 'text/event-stream', ...headers };
  return new Promise<Listener>((resolve, reject) => {
    const request = get({ host: '127.0.0.1', port, path, headers: all }, (response) => {
      const heard: [number, string][] = [];
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
        heard.length = 0;
        for (const [, id, kind] of text.matchAll(/^id: (\d+)\nevent: (.+)\ndata: .*\n\n/gm)) {
          heard.push([Number(id), kind ?? '']);
        }
      });
      response.on('error', () => undefined);
      resolve({ heard, text: () => text, response, close: () => request.destroy() });
    });
    request.on('error', reject);
    onTestFinished(() => void request.destroy());
  });
}

test('a stream begins where it is told, goes on live, and is resumed without a gap', async () => {
  const api = await startRegistryApi();
  const { provider } = api.principals;
  const node = await addNode(api.db, provider.accountId);
  const strange = await addNode(api.db, api.principals.admin.accountId);
  for (let count = 0; count < 3; count++) await happen(api, node, 'gpu.added', newId(), minute(1));
  const first = await listen(api, provider, '?after=1');
  expect(first.response.headers['content-type']).toContain('text/event-stream');
  expect(first.response.headers['x-request-id']).toBeDefined();
  await vi.waitFor(() => expect(first.heard).toHaveLength(2), 5000);
  await happen(api, strange, 'gpu.added', newId(), minute(2));
  await happen(api, node, 'gpu.changed', newId(), minute(2));
  await vi.waitFor(() => expect(first.heard.at(-1)).toEqual([5, 'gpu.changed']), 5000);
  expect(first.heard.map(([id]) => id)).toEqual([2, 3, 5]);
  first.close();
  await happen(api, node, 'gpu.removed', newId(), minute(3));
  const second = await listen(api, provider, '', { 'last-event-id': '5' });
  await vi.waitFor(() => expect(second.heard).toEqual([[6, 'gpu.removed']]), 5000);
  await vi.waitFor(() => expect(api.changes.size).toBe(1));
});

test('streams that begin in the middle of writing miss and repeat nothing', async () => {
  const api = await startRegistryApi();
  const { provider } = api.principals;
  const node = await addNode(api.db, provider.accountId);
  const writing = (async () => {
    for (let count = 0; count < 60; count++) await happen(api, node, 'gpu.changed', newId(), minute(1));
  })();
  const listeners: Listener[] = [];
  for (let count = 0; count < 5; count++) listeners.push(await listen(api, provider, '?after=0'));
  await writing;
  const all = Array.from({ length: 60 }, (_, at) => at + 1);
  for (const { heard } of listeners) {
    await vi.waitFor(() => expect(heard).toHaveLength(60), 5000);
    expect(heard.map(([id]) => id)).toEqual(all);
  }
});

test('a stream without a place begins with the present, and hears of a provider that is registered meanwhile', async () => {
  const api = await startRegistryApi();
  const { provider } = api.principals;
  const node = await addNode(api.db, provider.accountId);
  await happen(api, node, 'gpu.added', newId(), minute(1));
  const listener = await listen(api, provider);
  await vi.waitFor(() => expect(listener.text()).toContain('retry'), 5000);
  await vi.waitFor(async () => {
    await happen(api, node, 'gpu.changed', newId(), minute(1));
    expect(listener.heard.length).toBeGreaterThan(0);
  }, 5000);
  expect(listener.heard.map(([, kind]) => kind)).not.toContain('gpu.added');
  await api.as('provider').post('/providers', { name: 'new', company: 'C' });
  await api.as('admin').post('/providers', { name: 'of others', company: 'C' });
  const id = (await api.as('provider').get('/providers')).body.items.find((p: { name: string }) => p.name === 'new').id;
  await api.as('provider').post(`/providers/${id}/clusters`, { name: 'x', region: 'x' });
  await vi.waitFor(() => expect(listener.heard.at(-1)?.[1]).toBe('cluster.created'), 5000);
  expect(listener.heard.filter(([, kind]) => kind === 'provider.registered')).toHaveLength(1);
});

test('a client that does not read is cut, and others are not held up', async () => {
  const api = await startRegistryApi({ limits: { buffer: 64 * 1024, heartbeat: 200 } });
  const { provider } = api.principals;
  const node = await addNode(api.db, provider.accountId);
  const [slow, quick] = [await listen(api, provider), await listen(api, provider)];
  slow.response.pause();
  await vi.waitFor(() => expect(quick.text()).toContain('retry'), 5000);
  const large = { text: 'x'.repeat(1_000_000) };
  await vi.waitFor(async () => {
    await happen(api, node, 'gpu.changed', newId(), minute(1), large);
    expect(api.changes.size).toBeLessThan(2);
  }, 10_000);
});

test('a burst that is far larger than the buffer reaches whoever reads, live and afterwards', async () => {
  const api = await startRegistryApi({ limits: { buffer: 64 * 1024 } });
  const { provider } = api.principals;
  const node = await addNode(api.db, provider.accountId);
  const live = await listen(api, provider);
  await vi.waitFor(() => expect(live.text()).toContain('id: 0'), 5000);
  const event = { kind: 'gpu.changed', at: minute(1), ...node, data: { text: 'x'.repeat(10_000) } };
  const burst = Array.from({ length: 300 }, () => ({ ...event, gpuId: newId() }));
  await api.db.transaction().execute((trx) => appendToJournal(trx, burst));
  const late = await listen(api, provider, '?after=0');
  const last = (await api.as('provider').get('/inventory/changes?limit=1')).body.next + burst.length - 1;
  for (const { response, text } of [live, late]) {
    await vi.waitFor(() => expect(text()).toContain(`id: ${last}\nevent`), 10_000);
    expect(text().match(/^event: /gm)).toHaveLength(burst.length);
    expect(response.complete).toBe(false);
  }
});

test('streams beat, end after their time, and are limited in number', async () => {
  const api = await startRegistryApi({ limits: { heartbeat: 20, longest: 300, clients: 1 } });
  const { provider } = api.principals;
  const listener = await listen(api, provider);
  const refused = await listen(api, provider);
  expect(refused.response.statusCode).toBe(429);
  await vi.waitFor(() => expect(listener.text()).toContain(': beat'), 5000);
  await vi.waitFor(() => expect(listener.response.complete).toBe(true), 5000);
  await vi.waitFor(() => expect(api.changes.size).toBe(0), 5000);
});

test('a stream ends soon after its key is revoked or its owner may see less', async () => {
  const api = await startRegistryApi({ limits: { heartbeat: 50 } });
  const { admin } = api.principals;
  const reader = await api.addPrincipal('provider', { scopes: ['read'] });
  const second = await api.addPrincipal('admin');
  const [revoked, demoted, kept] = [await listen(api, reader), await listen(api, second), await listen(api, admin)];
  await api.as('admin').delete(`/auth/api-keys/${reader.credentialId}`);
  await api.as('admin').patch(`/users/${second.userId}`, { role: 'consumer' });
  await vi.waitFor(
    () => expect([revoked, demoted].map(({ response }) => response.complete)).toEqual([true, true]),
    5000,
  );
  expect(kept.response.complete).toBe(false);
});

test('an account holds so many streams and no more; others still get theirs', async () => {
  const api = await startRegistryApi({ limits: { clientsOfAccount: 1 } });
  const { provider, consumer } = api.principals;
  const replies = [await listen(api, provider), await listen(api, provider), await listen(api, consumer)];
  expect(replies.map(({ response }) => response.statusCode)).toEqual([200, 429, 200]);
});

test('a last id that is none is refused', async () => {
  const api = await startRegistryApi();
  const { response } = await listen(api, api.principals.provider, '', { 'last-event-id': 'x' });
  expect(response.statusCode).toBe(400);
});
