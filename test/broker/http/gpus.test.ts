// GPUs, products and pools over HTTP.
import { expect, test } from 'vitest';
import { newId } from '../../../src/broker/ids.ts';
import { addGpu, addNode, startRegistryApi } from '../../fixtures/registry.ts';

test('GPUs are searched, read and put into maintenance', async () => {
  const api = await startRegistryApi();
  const node = await addNode(api.db, api.principals.provider.accountId);
  const gpu = await addGpu(api.db, node);
  const who = api.as('provider');
  expect((await who.get('/gpus?product=H100&memory_gb_min=80&sort=score&order=desc&total=true')).body).toMatchObject({
    items: [{ id: gpu, product: 'H100-SXM5-80GB', vram_gb: 80, health: 'healthy' }],
    next_cursor: null,
    total: 1,
    total_capped: false,
  });
  const put = await who.post(`/gpus/${gpu}/maintenance`, { enabled: true, reason: 'new paste' });
  expect(put.body).toMatchObject({ id: gpu, status: 'maintenance' });
  expect((await who.get(`/gpus/${gpu}`)).body.status).toBe('maintenance');
  await who.post(`/gpus/${gpu}/maintenance`, { enabled: true });
  expect((await who.post(`/gpus/${gpu}/maintenance`, { enabled: false })).body.status).toBe('available');
  const events = await api.db.selectFrom('journal').select(['kind', 'gpu_id']).execute();
  expect(events).toEqual(Array(2).fill({ kind: 'gpu.changed', gpu_id: gpu }));
});

test.each([
  ['sort=name', 'query.sort'],
  ['health=fine', 'query.health'],
  ['memory_gb_min=-1', 'query.memory_gb_min'],
  ['limit=501', 'query.limit'],
  ['condition=Ready', 'query.condition'],
  ['compute_capability_min=9', 'query.compute_capability_min'],
  ['node_id=x', 'query.node_id'],
  ['colour=red', 'query.colour'],
  ['attributes=%7B%7D', 'query.attributes'],
  ['cursor=WzFd', 'query.cursor'],
])('a search with %s is refused by name', async (query, field) => {
  const api = await startRegistryApi();
  expect(await api.as('admin').get(`/gpus?${query}`)).toMatchObject({ status: 400, body: { field } });
});

test('neither a stranger nor a consumer finds GPUs or pools', async () => {
  const api = await startRegistryApi();
  const node = await addNode(api.db, api.principals.provider.accountId);
  const gpu = await addGpu(api.db, node);
  const made = await api.as('provider').post('/pools', { provider_id: node.providerId, name: 'p', kind: 'static' });
  const pool = `/pools/${made.body.id}`;
  const stranger = api.as(await api.addPrincipal('provider'));
  const tries = [
    stranger.get(`/gpus/${gpu}`),
    stranger.post(`/gpus/${gpu}/maintenance`, { enabled: true }),
    stranger.get(pool),
    stranger.patch(pool, { name: 'x' }),
    stranger.delete(pool),
    stranger.get(`${pool}/gpus`),
    stranger.post(`${pool}/gpus/add`, { gpu_ids: [gpu] }),
    stranger.post('/pools', { provider_id: node.providerId, name: 'x', kind: 'static' }),
  ];
  for (const { status } of await Promise.all(tries)) expect(status).toBe(404);
  for (const list of ['/gpus', `/gpus?node_id=${node.nodeId}&total=true`, '/pools']) {
    expect((await stranger.get(list)).body.items).toEqual([]);
  }
  const consumer = api.as('consumer');
  expect((await consumer.get('/gpus')).body.items).toEqual([]);
  expect((await consumer.get('/pools')).status).toBe(403);
});

test('a static pool holds GPUs of its provider only', async () => {
  const api = await startRegistryApi();
  const { accountId } = api.principals.provider;
  const [node, foreign] = [await addNode(api.db, accountId), await addNode(api.db, accountId)];
  const gpus = [await addGpu(api.db, node), await addGpu(api.db, node), await addGpu(api.db, node)];
  const strange = await addGpu(api.db, foreign);
  const who = api.as('provider');
  const { id } = (await who.post('/pools', { provider_id: node.providerId, name: 'p', kind: 'static' })).body;
  expect((await who.post(`/pools/${id}/gpus/add`, { gpu_ids: gpus })).body).toEqual({ success: true, changed: 3 });
  expect((await who.post(`/pools/${id}/gpus/add`, { gpu_ids: gpus })).body.changed).toBe(0);
  expect((await who.post(`/pools/${id}/gpus/add`, { gpu_ids: [strange] })).status).toBe(404);
  const first = (await who.get(`/pools/${id}/gpus?limit=2`)).body;
  const rest = (await who.get(`/pools/${id}/gpus?limit=2&cursor=${first.next_cursor}`)).body;
  expect([...first.items, ...rest.items].map((gpu) => gpu.id)).toEqual([...gpus].sort());
  expect((await who.post(`/pools/${id}/gpus/remove`, { gpu_ids: [gpus[0]] })).body.changed).toBe(1);
  expect((await who.patch(`/pools/${id}`, { selector: { ecc: true } })).body.field).toBe('body.selector');
  expect((await who.post('/pools', { provider_id: node.providerId, name: 'p', kind: 'static' })).body.code).toBe(
    'GPUB_NAME_TAKEN',
  );
  expect((await who.delete(`/pools/${id}`)).body).toEqual({ success: true });
  expect((await who.get(`/gpus/${gpus[0]}`)).status).toBe(200);
});

test('a dynamic pool is what its selector finds among its provider’s GPUs', async () => {
  const api = await startRegistryApi();
  const { accountId } = api.principals.provider;
  const [node, foreign] = [await addNode(api.db, accountId), await addNode(api.db, accountId)];
  const found = await addGpu(api.db, node, { score: 90 });
  const grown = await addGpu(api.db, node, { score: 10 });
  await addGpu(api.db, foreign, { score: 95 });
  const who = api.as('provider');
  const made = await who.post('/pools', {
    provider_id: node.providerId,
    name: 'fast',
    kind: 'dynamic',
    selector: { score_min: 80, health: 'healthy' },
  });
  const path = `/pools/${made.body.id}`;
  expect((await who.get(`${path}/gpus`)).body.items.map((gpu: { id: string }) => gpu.id)).toEqual([found]);
  await api.db.updateTable('gpus').set({ score: 85 }).where('id', '=', grown).execute();
  expect((await who.get(`${path}/gpus`)).body.items).toHaveLength(2);
  await who.patch(path, { selector: { score_min: 90 } });
  expect((await who.get(`${path}/gpus`)).body.items).toHaveLength(1);
  expect((await who.post(`${path}/gpus/add`, { gpu_ids: [grown] })).body.code).toBe('GPUB_POOL_DYNAMIC');
});

test.each([
  [{ kind: 'dynamic' }, 'body.selector'],
  [{ kind: 'dynamic', selector: {} }, 'body.selector'],
  [{ kind: 'static', selector: { ecc: true } }, 'body.selector'],
  [{ kind: 'dynamic', selector: { colour: 'red' } }, 'body.selector.colour'],
  [{ kind: 'dynamic', selector: { attributes: '{}' } }, 'body.selector.attributes'],
])('a pool %j is refused by name', async (given, field) => {
  const api = await startRegistryApi();
  const node = await addNode(api.db, api.principals.provider.accountId);
  const reply = await api.as('provider').post('/pools', { provider_id: node.providerId, name: 'p', ...given });
  expect(reply).toMatchObject({ status: 400, body: { field } });
});

test('an admin maps a model, and GPUs that are there get the product', async () => {
  const api = await startRegistryApi();
  const node = await addNode(api.db, api.principals.provider.accountId);
  const model = 'NVIDIA Odd Card';
  const none = { product: null, form_factor: null, interconnect: null };
  const gpu = await addGpu(api.db, node, { model, memory_bytes: 46_068 * 2 ** 20, ...none });
  const smaller = await addGpu(api.db, node, { model, memory_bytes: 24 * 2 ** 30, ...none });
  const mapping = { vendor: 'nvidia', model, memory_gb: 48 };
  const body = { ...mapping, product: 'ODD-PCIE-48GB', form_factor: 'PCIE', interconnect: 'PCIe4' };
  expect((await api.as('provider').post('/products/mappings', body)).status).toBe(403);
  const admin = api.as('admin');
  expect((await admin.post('/products/mappings', body)).body).toEqual({ success: true, gpus: 1 });
  expect((await admin.post('/products/mappings', body)).status).toBe(409);
  expect((await admin.get(`/gpus/${gpu}`)).body).toMatchObject({ product: 'ODD-PCIE-48GB', form_factor: 'PCIE' });
  expect((await admin.get(`/gpus/${smaller}`)).body.product).toBeNull();
  expect((await admin.get('/products/mappings')).body.items).toMatchObject([body]);
  const events = await api.db.selectFrom('journal').select(['kind', 'gpu_id']).execute();
  expect(events).toEqual([{ kind: 'gpu.changed', gpu_id: gpu }]);
  const key = new URLSearchParams({ ...mapping, memory_gb: '48' });
  expect((await admin.delete(`/products/mappings?${key}`)).body).toEqual({ success: true, gpus: 1 });
  expect((await admin.get(`/gpus/${gpu}`)).body.product).toBeNull();
  expect((await admin.delete(`/products/mappings?${key}`)).status).toBe(404);
});

test('a GPU that is sold as something else has to be verified anew', async () => {
  const api = await startRegistryApi();
  const node = await addNode(api.db, api.principals.provider.accountId);
  const model = 'NVIDIA Odd Card';
  const odd = { model, memory_bytes: 46_068 * 2 ** 20, product: null, form_factor: null, interconnect: null };
  const at = new Date('2026-01-01T00:00:00Z');
  const verified = { ...odd, label: 'challenge-verified' as const, score: 90, verified_at: at, measured_at: at };
  const gpu = await addGpu(api.db, node, verified);
  const simulated = await addGpu(api.db, node, { ...odd, source: 'simulated', label: 'simulated' });
  const admin = api.as('admin');
  const shown = async (id: string) => (await admin.get(`/gpus/${id}`)).body;
  expect(await shown(gpu)).toMatchObject({ label: 'challenge-verified', verified_at: at.toISOString() });
  const mapping = { vendor: 'nvidia', model, memory_gb: 48, form_factor: 'PCIE', interconnect: 'PCIe4' };
  await admin.post('/products/mappings', { ...mapping, product: 'ODD-PCIE-48GB' });
  const anew = { label: 'self-reported', score: null, verified_at: null, measured_at: null };
  expect(await shown(gpu)).toMatchObject({ product: 'ODD-PCIE-48GB', ...anew });
  expect(await shown(simulated)).toMatchObject({ product: 'SIM-ODD-PCIE-48GB', label: 'simulated' });
  const events = await api.db.selectFrom('journal').select('data').where('gpu_id', '=', gpu).execute();
  expect(events).toMatchObject([{ data: anew }]);
  const { identified_at } = await api.db.selectFrom('gpus').selectAll().where('id', '=', gpu).executeTakeFirstOrThrow();
  expect(identified_at).not.toBeNull();
});

test.each([
  [{ product: 'SIM-ODD-PCIE-48GB' }, 'body.product'],
  [{ product: 'ODD-PCIE-80GB' }, 'body.product'],
  [{ product: 'L40S-PCIE-48GB', form_factor: 'SXM5' }, 'body.form_factor'],
  [{ product: 'L40S-PCIE-48GB', interconnect: 'NVLink4' }, 'body.interconnect'],
])('a mapping with %j is refused by name', async (given, field) => {
  const api = await startRegistryApi();
  const rest = { vendor: 'nvidia', model: 'x', memory_gb: 48, form_factor: 'PCIE', interconnect: 'PCIe4' };
  const reply = await api.as('admin').post('/products/mappings', { ...rest, ...given });
  expect(reply).toMatchObject({ status: 400, body: { field } });
});

test('what is not there is not found', async () => {
  const api = await startRegistryApi();
  for (const path of ['gpus', 'pools', 'nodes', 'clusters', 'providers']) {
    expect((await api.as('admin').get(`/${path}/${newId()}`)).status).toBe(404);
  }
});
