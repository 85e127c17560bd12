// Providers, clusters, nodes and tokens over HTTP: what each request does, what it leaves behind, what is refused.
import { expect, test } from 'vitest';
import { newId } from '../../../src/broker/ids.ts';
import type { TestCaller } from '../../fixtures/broker-http.ts';
import { addGpu, addNode, type RegistryApi, startRegistryApi } from '../../fixtures/registry.ts';

/** Registers a provider with a cluster and a node. */
async function register(who: TestCaller) {
  const provider = (await who.post('/providers', { name: 'North', company: 'North GmbH' })).body.provider_id;
  const cluster = (await who.post(`/providers/${provider}/clusters`, { name: 'hall', region: 'eu-north-1' })).body
    .cluster_id;
  const { body } = await who.post(`/clusters/${cluster}/nodes`, { hostname: 'gpu-01' });
  return { provider, cluster, node: body.node_id as string, token: body.onboarding_token as string };
}

/** The kinds of the journal, in order, and the actions of the audit log. */
async function traces({ db }: RegistryApi) {
  const journal = await db.selectFrom('journal').select('kind').orderBy('seq').execute();
  const audit = await db.selectFrom('audit_log').select('action').orderBy('seq').execute();
  return { journal: journal.map(({ kind }) => kind), audit: audit.map(({ action }) => action) };
}

test('a provider registers clusters and nodes, and every change is in the journal and the audit log', async () => {
  const api = await startRegistryApi();
  const who = api.as('provider');
  const { provider, cluster, node, token } = await register(who);
  expect(token).toMatch(/^gpbt_/);
  expect((await who.get(`/providers/${provider}`)).body).toMatchObject({
    id: provider,
    status: 'pending_kyc',
    kyc_data: {},
  });
  expect((await who.get(`/clusters/${cluster}`)).body).toMatchObject({ nodes: 1, total_gpus: 0, available_gpus: 0 });
  expect((await who.get(`/nodes/${node}`)).body).toMatchObject({
    hostname: 'gpu-01',
    status: 'offline',
    reason: 'has not joined yet',
    gpus: [],
  });
  expect((await who.get('/providers/me/clusters')).body.items).toHaveLength(1);
  expect((await who.get(`/nodes?cluster_id=${cluster}&status=offline`)).body.items).toHaveLength(1);
  expect((await who.get(`/nodes?cluster_id=${cluster}&status=healthy`)).body.items).toHaveLength(0);
  expect(await traces(api)).toEqual({
    journal: ['provider.registered', 'cluster.created', 'node.registered'],
    audit: ['provider.create', 'cluster.create', 'node.create'],
  });
});

test('things can be changed', async () => {
  const api = await startRegistryApi();
  const who = api.as('provider');
  const { provider, cluster, node } = await register(who);
  const kyc = { vat_id: 'DE1' };
  expect((await who.patch(`/providers/${provider}`, { company: 'South AG', kyc_data: kyc })).body).toMatchObject({
    name: 'North',
    company: 'South AG',
    kyc_data: kyc,
  });
  expect((await who.patch(`/clusters/${cluster}`, { specs: { racks: 2 } })).body).toMatchObject({
    specs: { racks: 2 },
  });
  const specs = [{ model: 'H100', count: 8, memory_gb: 80 }];
  expect((await who.patch(`/nodes/${node}`, { gpu_specs: specs })).body).toMatchObject({ gpu_specs: specs });
  const { journal } = await traces(api);
  expect(journal.slice(3)).toEqual(['provider.changed', 'cluster.changed', 'node.changed']);
});

test('what proves who a company is appears in no event', async () => {
  const api = await startRegistryApi();
  await api.as('provider').post('/providers', { name: 'N', company: 'C', kyc_data: { passport: 'X123' } });
  const rows = await api.db.selectFrom('journal').select('data').execute();
  const audit = await api.db.selectFrom('audit_log').select('details').execute();
  expect(JSON.stringify([rows, audit])).not.toContain('X123');
});

test('names are taken once in one place', async () => {
  const api = await startRegistryApi();
  const who = api.as('provider');
  const { provider, cluster } = await register(who);
  const taken = [
    await who.post('/providers', { name: 'North', company: 'Another' }),
    await who.post(`/providers/${provider}/clusters`, { name: 'hall', region: 'x' }),
    await who.post(`/clusters/${cluster}/nodes`, { hostname: 'gpu-01' }),
  ];
  expect(taken.map(({ status, body }) => [status, body.code, body.field])).toEqual([
    [409, 'GPUB_NAME_TAKEN', 'body.name'],
    [409, 'GPUB_NAME_TAKEN', 'body.name'],
    [409, 'GPUB_NAME_TAKEN', 'body.hostname'],
  ]);
  expect((await api.as('admin').post('/providers', { name: 'North', company: 'In another account' })).status).toBe(201);
});

test('an admin verifies and suspends; nobody else does', async () => {
  const api = await startRegistryApi();
  const { provider } = await register(api.as('provider'));
  expect((await api.as('provider').post(`/providers/${provider}/verify`)).status).toBe(403);
  const admin = api.as('admin');
  expect((await admin.post(`/providers/${provider}/verify`)).body).toMatchObject({ status: 'verified' });
  expect((await admin.post(`/providers/${provider}/verify`)).status).toBe(200);
  const suspended = await admin.post(`/providers/${provider}/suspend`, { reason: 'papers expired' });
  expect(suspended.body).toMatchObject({ status: 'suspended', status_reason: 'papers expired' });
  expect((await admin.get('/providers?status=suspended')).body.items).toHaveLength(1);
  const { journal } = await traces(api);
  expect(journal.slice(3)).toEqual(['provider.verified', 'provider.suspended']);
});

test('the streams of a provider end when it is suspended, those of others do not', async () => {
  const api = await startRegistryApi();
  const { provider, cluster, node } = await register(api.as('provider'));
  const second = (await api.as('provider').post(`/clusters/${cluster}/nodes`, { hostname: 'gpu-02' })).body.node_id;
  await addNode(api.db, api.principals.provider.accountId);
  const suspend = () => api.as('admin').post(`/providers/${provider}/suspend`, { reason: 'papers expired' });
  await suspend();
  const cut = [node, second].map((id) => ['disconnect', id, 'suspended']);
  expect(api.streams.calls).toEqual(cut);
  // A second time ends what the first, which may have been cut, left.
  await suspend();
  expect(api.streams.calls).toEqual([...cut, ...cut]);
});

test('nothing goes while it is used', async () => {
  const api = await startRegistryApi();
  const who = api.as('provider');
  const { provider, cluster, node } = await register(who);
  await api.db.updateTable('nodes').set({ joined_at: new Date() }).where('id', '=', node).execute();
  for (const path of [`/providers/${provider}`, `/clusters/${cluster}`, `/nodes/${node}`]) {
    expect(await who.delete(path)).toMatchObject({ status: 409, body: { code: 'GPUB_IN_USE' } });
  }
  await who.post(`/nodes/${node}/decommission`);
  for (const path of [`/nodes/${node}`, `/clusters/${cluster}`, `/providers/${provider}`]) {
    expect(await who.delete(path)).toMatchObject({ status: 200, body: { success: true } });
    expect((await who.get(path)).status).toBe(404);
  }
});

test('a node is cordoned, drained and put back into service', async () => {
  const api = await startRegistryApi();
  const who = api.as('provider');
  const { node } = await register(who);
  const step = async (what: string) => {
    const { cordoned, draining } = (await who.post(`/nodes/${node}/${what}`)).body;
    return [cordoned, draining];
  };
  expect(await step('cordon')).toEqual([true, false]);
  expect(await step('drain')).toEqual([true, true]);
  expect(await step('drain')).toEqual([true, true]);
  expect(await step('uncordon')).toEqual([false, false]);
  expect((await traces(api)).journal.slice(3)).toEqual(['node.changed', 'node.changed', 'node.changed']);
  expect(api.streams.calls.at(-1)).toEqual(['standing', node, { cordoned: false, draining: false }]);
});

test('a node that is decommissioned loses its credentials, tokens and GPUs, and its stream', async () => {
  const api = await startRegistryApi();
  const who = api.as('provider');
  const { node, cluster, provider } = await register(who);
  const place = { nodeId: node, clusterId: cluster, providerId: provider };
  const gpu = await addGpu(api.db, place);
  const soon = new Date(Date.now() + 1e6);
  await api.db
    .insertInto('node_credentials')
    .values({ id: newId(), node_id: node, public_key: Buffer.from('key'), issued_at: soon, expires_at: soon })
    .execute();
  expect((await who.post(`/nodes/${node}/decommission`)).body).toMatchObject({ status: 'offline', gpu_count: 0 });
  expect((await who.get(`/gpus?node_id=${node}`)).body.items).toEqual([]);
  expect((await who.get(`/gpus/${gpu}`)).body.removed_at).not.toBeNull();
  for (const table of ['node_credentials', 'enrolment_tokens'] as const) {
    const rows = await api.db.selectFrom(table).select('revoked_at').execute();
    expect(rows.every(({ revoked_at }) => revoked_at !== null)).toBe(true);
  }
  expect(api.streams.calls).toContainEqual(['disconnect', node, 'decommissioned']);
  expect((await traces(api)).journal.slice(3)).toEqual(['gpu.removed', 'node.removed']);
  for (const what of ['cordon', 'onboarding-token']) {
    expect((await who.post(`/nodes/${node}/${what}`)).body.code).toBe('GPUB_NODE_DECOMMISSIONED');
  }
  expect((await who.post(`/clusters/${cluster}/nodes`, { hostname: 'gpu-01' })).status).toBe(201);
});

test('a new onboarding token ends the one before', async () => {
  const api = await startRegistryApi();
  const who = api.as('provider');
  const { node, token } = await register(who);
  const made = await who.post(`/nodes/${node}/onboarding-token`);
  expect(made.status).toBe(201);
  expect(made.body.onboarding_token).not.toBe(token);
  const rows = await api.db.selectFrom('enrolment_tokens').select('revoked_at').orderBy('created_at').execute();
  expect(rows.filter(({ revoked_at }) => revoked_at === null)).toHaveLength(1);
});

test('a fleet’s token is shown once, listed without its secret, and revoked', async () => {
  const api = await startRegistryApi();
  const who = api.as('provider');
  const { cluster } = await register(who);
  const path = `/clusters/${cluster}/enrolment-tokens`;
  const expires_at = new Date(Date.now() + 3_600_000).toISOString();
  const made = (await who.post(path, { max_uses: 10, expires_at })).body;
  const listed = await who.get(path);
  expect(JSON.stringify(listed.body)).not.toContain(made.token);
  expect(listed.body.items).toContainEqual(
    expect.objectContaining({ id: made.id, max_uses: 10, uses: 0, node_id: null, revoked_at: null }),
  );
  expect((await who.delete(`${path}/${made.id}`)).status).toBe(200);
  expect((await who.delete(`${path}/${newId()}`)).status).toBe(404);
  const after = (await who.get(path)).body.items as { id: string; revoked_at: string | null }[];
  expect(after.find(({ id }) => id === made.id)?.revoked_at).not.toBeNull();
  const past = new Date(Date.now() - 1000).toISOString();
  expect((await who.post(path, { max_uses: 1, expires_at: past })).body).toMatchObject({
    code: 'GPUB_INVALID',
    field: 'body.expires_at',
  });
});

test('the inventory is pulled from a node that is connected', async () => {
  const api = await startRegistryApi();
  const who = api.as('provider');
  const { node } = await register(who);
  expect(await who.post(`/nodes/${node}/inventory`)).toMatchObject({
    status: 409,
    body: { code: 'GPUB_NODE_OFFLINE' },
  });
  api.streams.connected.add(node);
  expect((await who.post(`/nodes/${node}/inventory`)).status).toBe(202);
});

test('clusters count what can be had', async () => {
  const api = await startRegistryApi();
  const node = await addNode(api.db, api.principals.provider.accountId);
  await addGpu(api.db, node);
  await addGpu(api.db, node, { health: 'unhealthy' });
  await addGpu(api.db, node, { status: 'maintenance' });
  await addGpu(api.db, node, { removed_at: new Date() });
  await addGpu(api.db, node, { parent: 'another' });
  const who = api.as('provider');
  expect((await who.get(`/clusters/${node.clusterId}`)).body).toMatchObject({ total_gpus: 3, available_gpus: 1 });
  await who.post(`/nodes/${node.nodeId}/cordon`);
  expect((await who.get(`/clusters/${node.clusterId}`)).body).toMatchObject({ total_gpus: 3, available_gpus: 0 });
});

test('lists go on where a page ended', async () => {
  const api = await startRegistryApi();
  const who = api.as('provider');
  for (const name of ['a', 'b', 'c']) await who.post('/providers', { name, company: 'C' });
  const first = (await who.get('/providers?limit=2')).body;
  const second = (await who.get(`/providers?limit=2&cursor=${first.next_cursor}`)).body;
  expect([...first.items, ...second.items].map(({ name }) => name)).toEqual(['a', 'b', 'c']);
  expect(second.next_cursor).toBeNull();
  expect(await who.get('/providers?cursor=nonsense')).toMatchObject({ status: 400, body: { field: 'query.cursor' } });
});

test('a stranger finds nothing of it', async () => {
  const api = await startRegistryApi();
  const { provider, cluster, node } = await register(api.as('provider'));
  const stranger = api.as(await api.addPrincipal('provider'));
  const tries = [
    stranger.get(`/providers/${provider}`),
    stranger.patch(`/providers/${provider}`, { name: 'x' }),
    stranger.delete(`/providers/${provider}`),
    stranger.post(`/providers/${provider}/clusters`, { name: 'x', region: 'x' }),
    stranger.get(`/clusters?provider_id=${provider}`),
    stranger.get(`/clusters/${cluster}`),
    stranger.patch(`/clusters/${cluster}`, { name: 'x' }),
    stranger.delete(`/clusters/${cluster}`),
    stranger.post(`/clusters/${cluster}/nodes`, { hostname: 'x' }),
    stranger.get(`/clusters/${cluster}/enrolment-tokens`),
    stranger.get(`/nodes/${node}`),
    stranger.patch(`/nodes/${node}`, { gpu_specs: [] }),
    stranger.delete(`/nodes/${node}`),
    ...['cordon', 'uncordon', 'drain', 'decommission', 'onboarding-token', 'inventory'].map((what) =>
      stranger.post(`/nodes/${node}/${what}`),
    ),
  ];
  for (const { status, body } of await Promise.all(tries)) {
    expect([status, body.code]).toEqual([404, 'GPUB_NOT_FOUND']);
  }
  for (const list of ['/providers', '/providers/me/clusters', '/clusters', '/nodes']) {
    expect((await stranger.get(list)).body.items).toEqual([]);
  }
});
