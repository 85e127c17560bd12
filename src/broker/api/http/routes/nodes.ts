// The routes of nodes.
import { Done, IdParams } from '../../../../api/fields.ts';
import {
  NewNode,
  Node,
  NodeChange,
  NodeCreated,
  NodeDetails,
  NodePage,
  NodeQuery,
  OnboardingToken,
} from '../../../../api/nodes.ts';
import { decommissionNode, type NodeStreams, pullInventory, setStanding } from '../../../registry/node-standing.ts';
import {
  createNode,
  deleteNode,
  getNode,
  listNodes,
  type NodeFigures,
  renewOnboardingToken,
  updateNode,
} from '../../../registry/nodes.ts';
import type { ApiServer } from '../app.ts';
import type { ApiServices } from '../routes.ts';

const tags = ['nodes'];

/** What they work with besides the database. */
export interface NodeServices extends ApiServices {
  readonly streams: NodeStreams;
  readonly figures: NodeFigures;
}

/** Registers them. */
export function nodeRoutes(app: ApiServer, services: NodeServices): void {
  app.post(
    '/api/v2/clusters/:id/nodes',
    {
      config: { action: 'node.create' },
      schema: {
        tags,
        summary: 'Register a node; its token is shown this once',
        params: IdParams,
        body: NewNode,
        response: { 201: NodeCreated },
      },
    },
    async ({ principal, params, body }, reply) => {
      const { nodeId, token } = await createNode(services, principal, params.id, body);
      const expires_at = token.expiresAt.toISOString();
      return reply.code(201).send({ node_id: nodeId, onboarding_token: token.token, expires_at });
    },
  );
  app.get(
    '/api/v2/nodes',
    {
      config: { action: 'node.read' },
      schema: { tags, summary: 'Nodes', querystring: NodeQuery, response: { 200: NodePage } },
    },
    ({ principal, query }) => listNodes(services, principal, query),
  );
  app.get(
    '/api/v2/nodes/:id',
    {
      config: { action: 'node.read' },
      schema: {
        tags,
        summary: 'One node, with its GPUs and its figures',
        params: IdParams,
        response: { 200: NodeDetails },
      },
    },
    ({ principal, params }) => getNode(services, principal, params.id),
  );
  app.patch(
    '/api/v2/nodes/:id',
    {
      config: { action: 'node.update' },
      schema: { tags, summary: 'Change what is declared', params: IdParams, body: NodeChange, response: { 200: Node } },
    },
    ({ principal, params, body }) => updateNode(services, principal, params.id, body),
  );
  app.delete(
    '/api/v2/nodes/:id',
    {
      config: { action: 'node.delete' },
      schema: {
        tags,
        summary: 'Forget a node that never joined or is decommissioned',
        params: IdParams,
        response: { 200: Done },
      },
    },
    async ({ principal, params }) => {
      await deleteNode(services, principal, params.id);
      return { success: true as const };
    },
  );
  operationRoutes(app, services);
}

const standings = {
  cordon: 'Let no new leases come',
  uncordon: 'Put it back into service',
  drain: 'Let leases end, and no new ones come',
} as const;

function operationRoutes(app: ApiServer, services: NodeServices): void {
  for (const standing of ['cordon', 'uncordon', 'drain'] as const) {
    app.post(
      `/api/v2/nodes/:id/${standing}`,
      {
        config: { action: 'node.operate' },
        schema: { tags, summary: standings[standing], params: IdParams, response: { 200: Node } },
      },
      ({ principal, params }) => setStanding(services, principal, (params as { id: string }).id, standing),
    );
  }
  app.post(
    '/api/v2/nodes/:id/decommission',
    {
      config: { action: 'node.operate' },
      schema: { tags, summary: 'Take it out for good', params: IdParams, response: { 200: Node } },
    },
    ({ principal, params }) => decommissionNode(services, principal, params.id),
  );
  app.post(
    '/api/v2/nodes/:id/onboarding-token',
    {
      config: { action: 'enrolment-token.create' },
      schema: {
        tags,
        summary: 'A new token for a node that has not joined or lost its disk; tokens before it end',
        params: IdParams,
        response: { 201: OnboardingToken },
      },
    },
    async ({ principal, params }, reply) => {
      const { token, expiresAt } = await renewOnboardingToken(services, principal, params.id);
      return reply.code(201).send({ onboarding_token: token, expires_at: expiresAt.toISOString() });
    },
  );
  app.post(
    '/api/v2/nodes/:id/inventory',
    {
      config: { action: 'node.operate' },
      schema: { tags, summary: 'Ask it for its inventory now', params: IdParams, response: { 202: Done } },
    },
    async ({ principal, params }, reply) => {
      await pullInventory(services, principal, params.id);
      return reply.code(202).send({ success: true });
    },
  );
}
