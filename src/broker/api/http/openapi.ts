// The OpenAPI document, made of the same schemas that requests are checked with, and the pages that show it.
import swagger, { type SwaggerTransform } from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifySchema } from 'fastify';
import { Type } from 'typebox';
import { Problem, problemType } from '../../../api/problem.ts';
import { version } from '../../../daemon/version.ts';
import { policy } from '../../identity/policy.ts';
import type { ApiServer } from './app.ts';

/** Adds what collects the routes; register it before them. */
export async function addOpenApi(app: ApiServer): Promise<void> {
  app.addSchema({ ...Problem, $id: 'Problem' });
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'GPUBroker',
        version,
        description: 'Providers, nodes and live GPU inventory. Conventions: docs/api.md.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      servers: [{ url: '/' }],
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer', description: 'A session’s token, or an API key (gpb_…).' },
        },
      },
      security: [{ bearer: [] }],
    },
    refResolver: { buildLocalReference: (json, _base, _fragment, i) => String(json.$id ?? `def-${i}`) },
    transform,
  });
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    uiConfig: { url: '/openapi.json', validatorUrl: null, docExpansion: 'none', deepLinking: true },
    theme: { title: 'GPUBroker API' },
  });
  let text: string | undefined;
  app.get(
    '/openapi.json',
    {
      schema: {
        summary: 'This document',
        tags: ['operation'],
        response: { 200: Type.Object({}, { additionalProperties: true, description: 'OpenAPI 3.1' }) },
      },
      config: { action: 'public' },
    },
    async (_request, reply) => {
      text ??= JSON.stringify(app.swagger());
      return reply
        .type('application/json')
        .serializer(String)
        .send(text as never);
    },
  );
}

/** Problems by status: every route may answer 400, 429, 500 and 503; those with credentials 401 and 403 … */
const always = [400, 429, 500, 503];

const transform: SwaggerTransform = ({ schema, url, route }) => {
  const { action } = route.config ?? {};
  const methods = [route.method].flat();
  const writes = !methods.includes('GET');
  const pays = action === 'order.create' || action === 'order.update' || action === 'wallet.withdraw';
  const statuses = [
    ...always,
    ...(action === 'public' ? [] : [401, 403]),
    ...(pays ? [402] : []),
    ...(url.includes(':') ? [404] : []),
    ...(writes ? [409, 413, 415] : []),
  ];
  const given = (schema?.response ?? {}) as Record<string, unknown>;
  const problems = statuses.filter((status) => !(status in given)).map((status) => [status, problemResponse()]);
  const needed = action !== undefined && action !== 'public' ? policy[action] : undefined;
  return {
    url,
    schema: {
      ...schema,
      operationId: schema?.operationId ?? operationId(String(methods[0]), url),
      ...(needed ? { 'x-action': action, 'x-roles': needed.roles, 'x-scope': needed.scope } : { security: [] }),
      response: { ...given, ...Object.fromEntries(problems) },
    } as FastifySchema,
  };
};

function problemResponse() {
  return { description: 'Problem', content: { [problemType]: { schema: { $ref: 'Problem#' } } } };
}

/** `GET /api/v2/nodes/:id/telemetry` → `getNodesIdTelemetry`. */
function operationId(method: string, url: string): string {
  const words = url.replace(/^\/api\/v2/, '').match(/[a-z0-9]+/gi) ?? [];
  return [method.toLowerCase(), ...words.map((word) => (word[0] ?? '').toUpperCase() + word.slice(1))].join('');
}
