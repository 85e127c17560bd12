// The routes of clusters, and of the tokens with which fleets join them.
import { Type } from 'typebox';
import {
  Cluster,
  ClusterChange,
  ClusterCreated,
  ClusterPage,
  ClusterQuery,
  EnrolmentTokenCreated,
  EnrolmentTokenPage,
  NewCluster,
  NewEnrolmentToken,
} from '../../../../api/clusters.ts';
import { Done, Id, IdParams } from '../../../../api/fields.ts';
import { PageQuery } from '../../../../api/lists.ts';
import { createCluster, deleteCluster, getCluster, listClusters, updateCluster } from '../../../registry/clusters.ts';
import {
  createEnrolmentToken,
  listEnrolmentTokens,
  revokeEnrolmentToken,
} from '../../../registry/joining/enrolment-tokens.ts';
import type { ApiServer } from '../app.ts';
import type { ApiServices } from '../routes.ts';

const tags = ['clusters'];

/** Registers them. */
export function clusterRoutes(app: ApiServer, services: ApiServices): void {
  app.post(
    '/api/v2/providers/:id/clusters',
    {
      config: { action: 'cluster.create' },
      schema: {
        tags,
        summary: 'Create a cluster',
        params: IdParams,
        body: NewCluster,
        response: { 201: ClusterCreated },
      },
    },
    async ({ principal, params, body }, reply) =>
      reply.code(201).send({ cluster_id: await createCluster(services, principal, params.id, body) }),
  );
  app.get(
    '/api/v2/clusters',
    {
      config: { action: 'cluster.read' },
      schema: { tags, summary: 'Clusters', querystring: ClusterQuery, response: { 200: ClusterPage } },
    },
    ({ principal, query }) => listClusters(services, principal, query),
  );
  app.get(
    '/api/v2/clusters/:id',
    {
      config: { action: 'cluster.read' },
      schema: { tags, summary: 'One cluster, with how many GPUs it has', params: IdParams, response: { 200: Cluster } },
    },
    ({ principal, params }) => getCluster(services, principal, params.id),
  );
  app.patch(
    '/api/v2/clusters/:id',
    {
      config: { action: 'cluster.update' },
      schema: { tags, summary: 'Change it', params: IdParams, body: ClusterChange, response: { 200: Cluster } },
    },
    ({ principal, params, body }) => updateCluster(services, principal, params.id, body),
  );
  app.delete(
    '/api/v2/clusters/:id',
    {
      config: { action: 'cluster.delete' },
      schema: {
        tags,
        summary: 'Remove it, once its nodes are decommissioned',
        params: IdParams,
        response: { 200: Done },
      },
    },
    async ({ principal, params }) => {
      await deleteCluster(services, principal, params.id);
      return { success: true as const };
    },
  );
  tokenRoutes(app, services);
}

function tokenRoutes(app: ApiServer, services: ApiServices): void {
  app.post(
    '/api/v2/clusters/:id/enrolment-tokens',
    {
      config: { action: 'enrolment-token.create' },
      schema: {
        tags,
        summary: 'Make a token with which a fleet of nodes joins',
        params: IdParams,
        body: NewEnrolmentToken,
        response: { 201: EnrolmentTokenCreated },
      },
    },
    async ({ principal, params, body }, reply) => {
      const { id, token, expiresAt } = await createEnrolmentToken(services, principal, params.id, body);
      return reply.code(201).send({ id, token, expires_at: expiresAt.toISOString() });
    },
  );
  app.get(
    '/api/v2/clusters/:id/enrolment-tokens',
    {
      config: { action: 'enrolment-token.read' },
      schema: {
        tags,
        summary: 'Its tokens, without their secrets',
        params: IdParams,
        querystring: PageQuery,
        response: { 200: EnrolmentTokenPage },
      },
    },
    ({ principal, params, query }) => listEnrolmentTokens(services, principal, params.id, query),
  );
  app.delete(
    '/api/v2/clusters/:id/enrolment-tokens/:token_id',
    {
      config: { action: 'enrolment-token.revoke' },
      schema: {
        tags,
        summary: 'Revoke a token; nodes that joined with it stay',
        params: Type.Object({ id: Id, token_id: Id }),
        response: { 200: Done },
      },
    },
    async ({ principal, params }) => {
      await revokeEnrolmentToken(services, principal, params.id, params.token_id);
      return { success: true as const };
    },
  );
}
