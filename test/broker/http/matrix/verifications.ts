// The matrix of verifications.
import { addGpu, addNode } from '../../../fixtures/registry.ts';
import { addVerification } from '../full-api.ts';
import type { MatrixRow } from './row.ts';

export const rows: MatrixRow[] = [
  { route: 'GET /api/v2/verifications', success: 200 },
  { route: 'GET /api/v2/verifications/stream', success: 200 },
  {
    route: 'GET /api/v2/verifications/:id',
    success: 200,
    async call(api, owner) {
      const node = await addNode(api.db, owner.accountId);
      return { params: { id: await addVerification(api, node, await addGpu(api.db, node)) } };
    },
  },
  {
    route: 'POST /api/v2/gpus/:id/fit',
    success: 200,
    async call(api, owner) {
      const node = await addNode(api.db, owner.accountId);
      return { params: { id: await addGpu(api.db, node) }, body: { product: 'H100' } };
    },
  },
  {
    route: 'POST /api/v2/nodes/:id/challenge',
    success: 200,
    async call(api, owner) {
      const { nodeId } = await addNode(api.db, owner.accountId);
      return { params: { id: nodeId } };
    },
  },
];
