// The matrix of the registry and the inventory.

import type { TestPrincipal } from '../../../fixtures/broker-http.ts';
import { addGpu, addNode } from '../../../fixtures/registry.ts';
import type { FullApi } from '../full-api.ts';
import type { Call, MatrixRow } from './row.ts';

type Place = Awaited<ReturnType<typeof addNode>>;

/** A row whose route names something of the owner's provider. */
function on(
  route: string,
  success: number,
  idOf: (place: Place, api: FullApi) => string | Promise<string>,
  body?: unknown,
): MatrixRow {
  return {
    route,
    success,
    async call(api, owner) {
      const place = await addNode(api.db, owner.accountId);
      return { params: { id: await idOf(place, api) }, ...(body === undefined ? {} : { body }) };
    },
  };
}

/** A provider of the owner without anything in it. */
async function emptyProvider(api: FullApi, owner: TestPrincipal): Promise<string> {
  return (await api.as(owner).post('/providers', { name: `p ${Date.now()}`, company: 'C' })).body.provider_id;
}

const provider = ({ providerId }: Place) => providerId;
const cluster = ({ clusterId }: Place) => clusterId;
const node = ({ nodeId }: Place) => nodeId;
const gpu = (place: Place, api: FullApi) => addGpu(api.db, place);

async function pool(api: FullApi, owner: TestPrincipal): Promise<{ id: string; place: Place }> {
  const place = await addNode(api.db, owner.accountId);
  const given = { provider_id: place.providerId, name: 'p', kind: 'static' };
  return { id: (await api.as(owner).post('/pools', given)).body.id, place };
}

/** A row whose route names a pool. */
function onPool(route: string, success: number, body?: (api: FullApi, place: Place) => Promise<unknown>): MatrixRow {
  return {
    route,
    success,
    async call(api, owner): Promise<Call> {
      const { id, place } = await pool(api, owner);
      return { params: { id }, ...(body ? { body: await body(api, place) } : {}) };
    },
  };
}

const members = async (api: FullApi, place: Place) => ({ gpu_ids: [await addGpu(api.db, place)] });
const mappingKey = { vendor: 'NVIDIA', model: 'H800', memory_gb: 80 };
const mapping = { ...mappingKey, product: 'H800-SXM5-80GB', form_factor: 'SXM5', interconnect: 'NVLink' };
const tokenBody = { max_uses: 3, expires_at: new Date(Date.now() + 3_600_000).toISOString() };

export const rows: MatrixRow[] = [
  { route: 'POST /api/v2/providers', success: 201, call: () => ({ body: { name: 'N', company: 'C' } }) },
  { route: 'GET /api/v2/providers', success: 200 },
  { route: 'GET /api/v2/providers/me/clusters', success: 200 },
  on('GET /api/v2/providers/:id', 200, provider),
  on('PATCH /api/v2/providers/:id', 200, provider, { company: 'D' }),
  {
    route: 'DELETE /api/v2/providers/:id',
    success: 200,
    call: async (api, owner) => ({ params: { id: await emptyProvider(api, owner) } }),
  },
  on('POST /api/v2/providers/:id/verify', 200, provider),
  on('POST /api/v2/providers/:id/suspend', 200, provider, { reason: 'papers' }),
  on('POST /api/v2/providers/:id/clusters', 201, provider, { name: 'two', region: 'eu-north-1' }),
  { route: 'GET /api/v2/clusters', success: 200 },
  on('GET /api/v2/clusters/:id', 200, cluster),
  on('PATCH /api/v2/clusters/:id', 200, cluster, { specs: { racks: 2 } }),
  {
    route: 'DELETE /api/v2/clusters/:id',
    success: 200,
    async call(api, owner) {
      const id = await emptyProvider(api, owner);
      const made = await api.as(owner).post(`/providers/${id}/clusters`, { name: 'c', region: 'eu-north-1' });
      return { params: { id: made.body.cluster_id } };
    },
  },
  on('POST /api/v2/clusters/:id/enrolment-tokens', 201, cluster, tokenBody),
  on('GET /api/v2/clusters/:id/enrolment-tokens', 200, cluster),
  {
    route: 'DELETE /api/v2/clusters/:id/enrolment-tokens/:token_id',
    success: 200,
    async call(api, owner) {
      const { clusterId } = await addNode(api.db, owner.accountId);
      await api.as(owner).post(`/clusters/${clusterId}/enrolment-tokens`, tokenBody);
      const { id } = await api.db
        .selectFrom('enrolment_tokens')
        .select('id')
        .where('cluster_id', '=', clusterId)
        .executeTakeFirstOrThrow();
      return { params: { id: clusterId, token_id: id } };
    },
  },
  on('POST /api/v2/clusters/:id/nodes', 201, cluster, { hostname: 'gpu-07' }),
  { route: 'GET /api/v2/nodes', success: 200 },
  on('GET /api/v2/nodes/:id', 200, node),
  on('PATCH /api/v2/nodes/:id', 200, node, { gpu_specs: [{ model: 'H100', count: 8 }] }),
  on('DELETE /api/v2/nodes/:id', 200, async ({ nodeId }, api) => {
    await api.as('admin').post(`/nodes/${nodeId}/decommission`);
    return nodeId;
  }),
  ...['cordon', 'uncordon', 'drain', 'decommission'].map((what) => on(`POST /api/v2/nodes/:id/${what}`, 200, node)),
  {
    route: 'POST /api/v2/nodes/:id/onboarding-token',
    success: 201,
    async call(api, owner) {
      const { clusterId } = await addNode(api.db, owner.accountId);
      const made = await api.as(owner).post(`/clusters/${clusterId}/nodes`, { hostname: 'gpu-09' });
      return { params: { id: made.body.node_id } };
    },
  },
  on('POST /api/v2/nodes/:id/inventory', 202, node),
  { route: 'GET /api/v2/gpus', success: 200 },
  on('GET /api/v2/gpus/:id', 200, gpu),
  on('POST /api/v2/gpus/:id/maintenance', 200, gpu, { enabled: true }),
  { route: 'GET /api/v2/products/mappings', success: 200 },
  { route: 'POST /api/v2/products/mappings', success: 201, call: () => ({ body: mapping }) },
  {
    route: 'DELETE /api/v2/products/mappings',
    success: 200,
    async call(api, owner) {
      await api.as(owner).post('/products/mappings', mapping);
      return { query: `?${new URLSearchParams({ ...mappingKey, memory_gb: '80' })}` };
    },
  },
  {
    route: 'POST /api/v2/pools',
    ownedBody: true,
    success: 201,
    async call(api, owner) {
      const { providerId } = await addNode(api.db, owner.accountId);
      return { body: { provider_id: providerId, name: 'p', kind: 'static' } };
    },
  },
  { route: 'GET /api/v2/pools', success: 200 },
  onPool('GET /api/v2/pools/:id', 200),
  onPool('PATCH /api/v2/pools/:id', 200, async () => ({ name: 'q' })),
  onPool('DELETE /api/v2/pools/:id', 200),
  onPool('GET /api/v2/pools/:id/gpus', 200),
  onPool('POST /api/v2/pools/:id/gpus/add', 200, members),
  onPool('POST /api/v2/pools/:id/gpus/remove', 200, members),
  {
    route: 'GET /api/v2/inventory/snapshot',
    success: 200,
    call: () => ({ query: `?at=${new Date().toISOString()}` }),
  },
  { route: 'GET /api/v2/inventory/changes', success: 200 },
];
