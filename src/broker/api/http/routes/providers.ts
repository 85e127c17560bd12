// The routes of providers.
import { ClusterPage, ClusterQuery } from '../../../../api/clusters.ts';
import { Done, IdParams } from '../../../../api/fields.ts';
import {
  NewProvider,
  ProviderChange,
  ProviderCreated,
  ProviderDetails,
  ProviderPage,
  ProviderQuery,
  Suspension,
} from '../../../../api/providers.ts';
import { listOwnClusters } from '../../../registry/clusters.ts';
import {
  createProvider,
  deleteProvider,
  getProvider,
  listProviders,
  suspendProvider,
  updateProvider,
  verifyProvider,
} from '../../../registry/providers.ts';
import type { ApiServer } from '../app.ts';
import type { NodeServices } from './nodes.ts';

const tags = ['providers'];

/** Registers them. */
export function providerRoutes(app: ApiServer, services: NodeServices): void {
  app.post(
    '/api/v2/providers',
    {
      config: { action: 'provider.create' },
      schema: {
        tags,
        summary: 'Register a provider, which you will own',
        body: NewProvider,
        response: { 201: ProviderCreated },
      },
    },
    async ({ principal, body }, reply) =>
      reply.code(201).send({ provider_id: await createProvider(services, principal, body) }),
  );
  app.get(
    '/api/v2/providers',
    {
      config: { action: 'provider.read' },
      schema: { tags, summary: 'Your providers', querystring: ProviderQuery, response: { 200: ProviderPage } },
    },
    ({ principal, query }) => listProviders(services, principal, query),
  );
  app.get(
    '/api/v2/providers/me/clusters',
    {
      config: { action: 'cluster.read' },
      schema: {
        tags,
        summary: 'The clusters of your account',
        querystring: ClusterQuery,
        response: { 200: ClusterPage },
      },
    },
    ({ principal, query }) => listOwnClusters(services, principal, query),
  );
  app.get(
    '/api/v2/providers/:id',
    {
      config: { action: 'provider.read' },
      schema: { tags, summary: 'One provider', params: IdParams, response: { 200: ProviderDetails } },
    },
    ({ principal, params }) => getProvider(services, principal, params.id),
  );
  app.patch(
    '/api/v2/providers/:id',
    {
      config: { action: 'provider.update' },
      schema: {
        tags,
        summary: 'Change it',
        params: IdParams,
        body: ProviderChange,
        response: { 200: ProviderDetails },
      },
    },
    ({ principal, params, body }) => updateProvider(services, principal, params.id, body),
  );
  app.delete(
    '/api/v2/providers/:id',
    {
      config: { action: 'provider.delete' },
      schema: { tags, summary: 'Remove it, once it has no clusters', params: IdParams, response: { 200: Done } },
    },
    async ({ principal, params }) => {
      await deleteProvider(services, principal, params.id);
      return { success: true as const };
    },
  );
  app.post(
    '/api/v2/providers/:id/verify',
    {
      config: { action: 'provider.verify' },
      schema: { tags, summary: 'Let it sell', params: IdParams, response: { 200: ProviderDetails } },
    },
    ({ principal, params }) => verifyProvider(services, principal, params.id),
  );
  app.post(
    '/api/v2/providers/:id/suspend',
    {
      config: { action: 'provider.suspend' },
      schema: {
        tags,
        summary: 'Stop it from selling, and send its nodes away',
        params: IdParams,
        body: Suspension,
        response: { 200: ProviderDetails },
      },
    },
    ({ principal, params, body }) => suspendProvider(services, principal, params.id, body.reason),
  );
}
