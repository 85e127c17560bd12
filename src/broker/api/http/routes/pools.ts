// The routes of pools.

import { Type } from 'typebox';
import { Done, IdParams } from '../../../../api/fields.ts';
import { GpuPage, GpuQuery } from '../../../../api/gpus.ts';
import { MembersChanged, NewPool, Pool, PoolChange, PoolMembers, PoolPage, PoolQuery } from '../../../../api/pools.ts';
import {
  changeMembers,
  createPool,
  deletePool,
  getPool,
  listPoolGpus,
  listPools,
  updatePool,
} from '../../../registry/pools.ts';
import type { ApiServer } from '../app.ts';
import type { ApiServices } from '../routes.ts';

const tags = ['pools'];
const { limit, cursor } = GpuQuery.properties;
const GpuPageQuery = Type.Object({ limit, cursor });

/** Registers them. */
export function poolRoutes(app: ApiServer, services: ApiServices): void {
  app.post(
    '/api/v2/pools',
    {
      config: { action: 'pool.create' },
      schema: { tags, summary: 'Make a pool', body: NewPool, response: { 201: Pool } },
    },
    async ({ principal, body }, reply) => reply.code(201).send(await createPool(services, principal, body)),
  );
  app.get(
    '/api/v2/pools',
    {
      config: { action: 'pool.read' },
      schema: { tags, summary: 'Pools', querystring: PoolQuery, response: { 200: PoolPage } },
    },
    ({ principal, query }) => listPools(services, principal, query),
  );
  app.get(
    '/api/v2/pools/:id',
    {
      config: { action: 'pool.read' },
      schema: { tags, summary: 'One pool', params: IdParams, response: { 200: Pool } },
    },
    ({ principal, params }) => getPool(services, principal, params.id),
  );
  app.patch(
    '/api/v2/pools/:id',
    {
      config: { action: 'pool.update' },
      schema: { tags, summary: 'Change it', params: IdParams, body: PoolChange, response: { 200: Pool } },
    },
    ({ principal, params, body }) => updatePool(services, principal, params.id, body),
  );
  app.delete(
    '/api/v2/pools/:id',
    {
      config: { action: 'pool.delete' },
      schema: { tags, summary: 'Remove it; its GPUs stay', params: IdParams, response: { 200: Done } },
    },
    async ({ principal, params }) => {
      await deletePool(services, principal, params.id);
      return { success: true as const };
    },
  );
  memberRoutes(app, services);
}

function memberRoutes(app: ApiServer, services: ApiServices): void {
  app.get(
    '/api/v2/pools/:id/gpus',
    {
      config: { action: 'pool.read' },
      schema: {
        tags,
        summary: 'Its GPUs at this moment',
        params: IdParams,
        querystring: GpuPageQuery,
        response: { 200: GpuPage },
      },
    },
    ({ principal, params, query }) => listPoolGpus(services, principal, params.id, query),
  );
  for (const what of ['add', 'remove'] as const) {
    app.post(
      `/api/v2/pools/:id/gpus/${what}`,
      {
        config: { action: 'pool.update' },
        schema: {
          tags,
          summary: what === 'add' ? 'Add members to a static pool' : 'Remove members from a static pool',
          params: IdParams,
          body: PoolMembers,
          response: { 200: MembersChanged },
        },
      },
      async ({ principal, params, body }) => {
        const { id } = params as { id: string };
        const { gpu_ids } = body as PoolMembers;
        return { success: true as const, changed: await changeMembers(services, principal, id, what, gpu_ids) };
      },
    );
  }
}
