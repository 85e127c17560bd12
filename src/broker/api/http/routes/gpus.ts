// The routes of GPUs, and of what an admin says that models are sold as.
import { Type } from 'typebox';
import { IdParams } from '../../../../api/fields.ts';
import { Gpu, GpuPage, GpuQuery, Maintenance } from '../../../../api/gpus.ts';
import { MappingApplied, MappingKey, MappingList, NewMapping } from '../../../../api/products.ts';
import { getGpu, setMaintenance } from '../../../registry/gpu-changes.ts';
import { addMapping, listMappings, removeMapping } from '../../../registry/products/product-mappings.ts';
import { searchGpus } from '../../../registry/search/search.ts';
import type { ApiServer } from '../app.ts';
import type { ApiServices } from '../routes.ts';

/** Registers them. */
export function gpuRoutes(app: ApiServer, services: ApiServices): void {
  const tags = ['gpus'];
  app.get(
    '/api/v2/gpus',
    {
      config: { action: 'gpu.read' },
      schema: { tags, summary: 'Search for GPUs', querystring: GpuQuery, response: { 200: GpuPage } },
    },
    ({ principal, query }) => searchGpus(services.db, principal, query),
  );
  app.get(
    '/api/v2/gpus/:id',
    {
      config: { action: 'gpu.read' },
      schema: { tags, summary: 'One GPU', params: IdParams, response: { 200: Gpu } },
    },
    ({ principal, params }) => getGpu(services, principal, params.id),
  );
  app.post(
    '/api/v2/gpus/:id/maintenance',
    {
      config: { action: 'gpu.operate' },
      schema: {
        tags,
        summary: 'Keep it off the market, or give it back',
        params: IdParams,
        body: Maintenance,
        response: { 200: Gpu },
      },
    },
    ({ principal, params, body }) => setMaintenance(services, principal, params.id, body),
  );
}

/** Registers those of mappings. */
export function productMappingRoutes(app: ApiServer, services: ApiServices): void {
  const tags = ['products'];
  app.get(
    '/api/v2/products/mappings',
    {
      config: { action: 'product.map' },
      schema: { tags, summary: 'Models that an admin mapped', response: { 200: MappingList } },
    },
    async () => ({ items: await listMappings(services), next_cursor: null }),
  );
  app.post(
    '/api/v2/products/mappings',
    {
      config: { action: 'product.map' },
      schema: {
        tags,
        summary: 'Say what a model that the table does not know is sold as',
        body: NewMapping,
        response: { 201: MappingApplied },
      },
    },
    async ({ principal, body }, reply) =>
      reply.code(201).send({ success: true, gpus: await addMapping(services, principal, body) }),
  );
  app.delete(
    '/api/v2/products/mappings',
    {
      config: { action: 'product.map' },
      schema: {
        tags,
        summary: 'Take a mapping back',
        querystring: Type.Object(MappingKey.properties),
        response: { 200: MappingApplied },
      },
    },
    async ({ principal, query }) => ({
      success: true as const,
      gpus: await removeMapping(services, principal, query),
    }),
  );
}
