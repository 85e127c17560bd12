// The matrix of telemetry.
import { addNode } from '../../../fixtures/registry.ts';
import type { MatrixRow } from './row.ts';

export const rows: MatrixRow[] = [
  {
    route: 'POST /api/v2/telemetry/batch',
    ownedBody: true,
    success: 200,
    async call(api, owner) {
      const { nodeId } = await addNode(api.db, owner.accountId);
      const metrics = [{ timestamp: new Date().toISOString(), gpu_utilization: 0.5 }];
      return { body: { node_id: nodeId, metrics } };
    },
  },
  {
    route: 'GET /api/v2/telemetry/:node_id',
    success: 200,
    call: async (api, owner) => ({ params: { node_id: (await addNode(api.db, owner.accountId)).nodeId } }),
  },
  {
    route: 'GET /api/v2/nodes/:id/telemetry',
    success: 200,
    call: async (api, owner) => ({ params: { id: (await addNode(api.db, owner.accountId)).nodeId } }),
  },
];
