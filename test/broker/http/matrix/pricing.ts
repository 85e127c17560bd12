// Routes of products and prices.
import type { TestPrincipal } from '../../../fixtures/broker-http.ts';
import { addNode } from '../../../fixtures/registry.ts';
import type { FullApi } from '../full-api.ts';
import type { MatrixRow } from './row.ts';

const pricing = { base_price: '2.50', surge_enabled: true };

/** A node of the owner that has a price. */
async function pricedNode(api: FullApi, owner: TestPrincipal) {
  const { nodeId } = await addNode(api.db, owner.accountId);
  await api.as(owner).put(`/nodes/${nodeId}/pricing`, pricing);
  return { params: { id: nodeId } };
}

export const rows: MatrixRow[] = [
  { route: 'GET /api/v2/products', success: 200 },
  {
    route: 'PATCH /api/v2/products/:id',
    success: 200,
    notOwned: 'products belong to nobody',
    call: () => ({ params: { id: 'H100-SXM5-80GB' }, body: { gpus_per_node: 4 } }),
  },
  {
    route: 'PUT /api/v2/nodes/:id/pricing',
    success: 200,
    call: async (api, owner) => ({ params: { id: (await addNode(api.db, owner.accountId)).nodeId }, body: pricing }),
  },
  { route: 'GET /api/v2/nodes/:id/pricing', success: 200, call: pricedNode },
  { route: 'DELETE /api/v2/nodes/:id/pricing', success: 200, call: pricedNode },
  { route: 'GET /api/v2/pricing/spot', success: 200 },
  {
    route: 'POST /api/v2/pricing/calculate',
    success: 200,
    call: () => ({ body: { gpu_type: 'H100', quantity: 8, duration_hours: 24 } }),
  },
  { route: 'GET /api/v2/pricing/index', success: 200, call: () => ({ query: '?gpu_type=H100' }) },
];
