// What lists, snapshots and changes tell a tenant of another one: nothing, whatever is filtered by. Every GET without an
// id in its path is asked, plain and with every parameter of its query that can name a thing of the other.
import { expect, test } from 'vitest';
import { addGpu, addNode } from '../../fixtures/registry.ts';
import { addIncident, addVerification, type FullApi, startFullApi } from './full-api.ts';

/** Stands in every name that the owner gives. */
const mark = 'hush-hush';

/** One of everything, and what of it may stand in a query. */
async function ownerOf(api: FullApi) {
  const owner = await api.addPrincipal('provider');
  const as = api.as(owner);
  const node = await addNode(api.db, owner.accountId, { hostname: mark }, mark);
  const model = `NVIDIA ${mark}`;
  const gpuId = await addGpu(api.db, node, { uuid: mark, serial: mark, model, product: mark });
  const provider = (await as.post('/providers', { name: mark, company: mark })).body.provider_id;
  const cluster = (await as.post(`/providers/${provider}/clusters`, { name: mark, region: mark })).body.cluster_id;
  const registered = (await as.post(`/clusters/${cluster}/nodes`, { hostname: mark })).body.node_id;
  await as.post(`/gpus/${gpuId}/maintenance`, { enabled: true, reason: mark });
  const pool = (await as.post('/pools', { provider_id: provider, name: mark, kind: 'static' })).body.id;
  const incident = await addIncident(api, node.providerId);
  const verification = await addVerification(api, node, gpuId);
  const rule = (
    await as.post('/alert-rules', {
      name: mark,
      condition: { type: 'incident', min_severity: 'critical' },
      channels: [{ type: 'webhook', url: 'http://127.0.0.1:9/', secret: `${mark}-${mark}` }],
    })
  ).body.id;
  const key = (await as.post('/auth/api-keys', { name: mark, scopes: ['read'] })).body.id;
  const ids = [owner.accountId, owner.userId, owner.credentialId, ...Object.values(node), gpuId];
  const made = [provider, cluster, registered, pool, incident, verification, rule, key];
  for (const id of made) expect(id).toMatch(/^[0-9a-f-]{36}$/);
  const known: Record<string, readonly string[]> = {
    account_id: [owner.accountId],
    actor_id: [owner.userId, owner.credentialId],
    target_id: [provider, key],
    provider_id: [node.providerId, provider],
    cluster_id: [node.clusterId, cluster],
    node_id: [node.nodeId, registered],
    gpu_id: [gpuId],
    rule_id: [rule],
    hostname: [mark],
    region: [mark],
    model: [model],
    product: [mark],
    serial: [mark],
    uuid: [mark],
    q: [mark],
    after: ['0'],
    total: ['true'],
    summary: ['true'],
  };
  return { owner, known, secrets: [mark, ...ids, ...made], node, gpuId };
}

/** The lists, each with the names of what its query takes. */
function lists(api: FullApi) {
  const { paths = {} } = api.app.swagger() as unknown as {
    paths: Record<string, { get?: { parameters?: { name: string; in: string }[] } }>;
  };
  return Object.entries(paths)
    .filter(([path, { get }]) => get && path.startsWith('/api/v2') && !path.includes('{') && !path.includes('/oidc/'))
    .map(([path, { get }]) => ({
      path,
      parameters: (get?.parameters ?? []).filter((one) => one.in === 'query').map(({ name }) => name),
    }));
}

test('lists tell nothing of what others have', async () => {
  const api = await startFullApi();
  const { owner, known, secrets } = await ownerOf(api);
  const leaks: string[] = [];
  let told = 0;
  for (const { path, parameters } of lists(api)) {
    const always = parameters.includes('at') ? `at=${new Date().toISOString()}&` : '';
    const narrowed = parameters.flatMap((name) => (known[name] ?? []).map((v) => `${name}=${encodeURIComponent(v)}`));
    for (const query of ['', ...narrowed]) {
      const url = `${path}?${always}${query}`;
      for (const role of ['provider', 'consumer', 'developer'] as const) {
        const { status, body } = await api.as(role).get(url);
        // A refusal repeats what was asked for.
        if (status >= 400) expect([400, 403, 404], url).toContain(status);
        else
          leaks.push(
            ...secrets
              .filter((text) => JSON.stringify(body).includes(text))
              .map((text) => `${url} as ${role}: ${text}`),
          );
      }
      const { body } = await api.as(owner).get(url);
      if (secrets.some((text) => JSON.stringify(body).includes(text))) told++;
    }
  }
  expect(leaks).toEqual([]);
  // The owner is told: so there was something to leak.
  expect(told).toBeGreaterThan(30);
}, 60_000);

test('a pool reaches nobody else’s GPUs, by its members or by its selector', async () => {
  const api = await startFullApi();
  const { gpuId, node } = await ownerOf(api);
  const stranger = api.as('provider');
  const { providerId } = await addNode(api.db, api.principals.provider.accountId);
  const mine = (await stranger.post('/pools', { provider_id: providerId, name: 's', kind: 'static' })).body.id;
  expect(await stranger.post(`/pools/${mine}/gpus/add`, { gpu_ids: [gpuId] })).toMatchObject({ status: 404 });
  for (const selector of [{ provider_id: node.providerId }, { node_id: node.nodeId }, { uuid: mark }, { q: mark }]) {
    const name = JSON.stringify(selector).slice(0, 50);
    const made = await stranger.post('/pools', { provider_id: providerId, name, kind: 'dynamic', selector });
    expect(made).toMatchObject({ status: 201 });
    expect((await stranger.get(`/pools/${made.body.id}/gpus`)).body).toMatchObject({ items: [], next_cursor: null });
  }
});
