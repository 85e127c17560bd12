// The HTTP server of the broker: Fastify with what every route has in common. Routes say which action they are; whether
// the caller may do that, how often, what may stand in the request and how errors look is decided here, once.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import {
  type FastifyBaseLogger,
  type FastifyInstance,
  LogController as FastifyLogController,
  type FastifyReply,
  type FastifyRequest,
  fastify,
  type RawServerDefault,
  type RouteOptions,
} from 'fastify';
import type { Registry } from 'prom-client';
import { problemType } from '../../../api/problem.ts';
import type { Log } from '../../../daemon/logger.ts';
import type { Authenticator } from '../../identity/authentication.ts';
import { type Action, may, whyNot } from '../../identity/policy.ts';
import type { Principal } from '../../identity/principal.ts';
import { newId } from '../../ids.ts';
import type { SharedRedis } from '../../redis.ts';
import { Refusal } from '../../refusal.ts';
import { httpProblem, toProblem } from './errors.ts';
import { type HealthOptions, healthRoute } from './health.ts';
import { addOpenApi } from './openapi.ts';
import { addRateLimits, defaultRateLimits, type RateLimiter, type RateLimits } from './rate-limits.ts';
import { observeRequests } from './request-log.ts';
import { addSecurityHeaders } from './security-headers.ts';
import { answerUnreadable } from './unreadable.ts';
import { ajvOptions, checkText, closeSchemas, type JsonSchema, readText, schemaErrorFormatter } from './validation.ts';

/** Fastify with our types: what route modules take. */
export type ApiServer = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What the route does, in the words of the policy; every route has one. */
    action?: Action | 'public';
    /** How often: as usual, as for signing in (by e-mail address too, if the body has one), or unlimited. */
    limit?: 'usual' | 'sign-in' | 'none';
  }
  interface FastifyRequest {
    /** Who asks. There is nobody on a public route: reading it there is refused with 401. */
    readonly principal: Principal;
    /** Who asks, if anybody has proved to, and the route is not public. */
    caller: Principal | undefined;
  }
}

/** What a server is made of. */
export interface HttpAppOptions {
  readonly log: Log;
  readonly registry: Registry;
  readonly authenticator: Authenticator;
  /** What `/health` looks at. */
  readonly health: HealthOptions;
  /** Shared with other processes that serve the API. */
  readonly redis?: SharedRedis | undefined;
  readonly limits?: Partial<RateLimits>;
  /** Called for writes that the policy or ownership refused; for the audit log. */
  readonly onRefused?: (request: FastifyRequest, status: number) => Promise<void>;
  /** PEM; makes it HTTPS. */
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer } | undefined;
  /** A proxy in front ends TLS: then the client's address is in X-Forwarded-For. */
  readonly behindProxy?: boolean;
}

const bodyLimit = 1024 * 1024;
const maxConnections = 1024;

/** Milliseconds: a client that sends nothing, or slowly, is cut after these. */
const timeouts = { headers: 10_000, request: 30_000, keepAlive: 10_000, idle: 60_000 };

/** Makes the server; register routes on it, then `listen`. */
export async function createHttpApp(options: HttpAppOptions): Promise<ApiServer> {
  const app = fastify({
    ...(options.tls ? { https: { ...options.tls, minVersion: 'TLSv1.2' as const } } : {}),
    loggerInstance: options.log as FastifyBaseLogger,
    // The log keeps track of its children, so a child for each request would never be let go.
    childLoggerFactory: (log) => log,
    logController: new FastifyLogController({ disableRequestLogging: true }),
    genReqId: () => newId(),
    requestIdHeader: false,
    bodyLimit,
    exposeHeadRoutes: false,
    // One proxy, ours: what stood in the header before it is the client's own claim.
    trustProxy: options.behindProxy ? (_address, hop) => hop === 0 : false,
    ajv: ajvOptions,
    schemaErrorFormatter,
    connectionTimeout: timeouts.idle,
    keepAliveTimeout: timeouts.keepAlive,
    requestTimeout: timeouts.request,
    http: { headersTimeout: timeouts.headers, connectionsCheckingInterval: 1000 },
    clientErrorHandler: (error, socket) => answerUnreadable(error.code, socket),
    frameworkErrors: (error, request, reply) => {
      sendProblem(reply as FastifyReply, toProblem(error, request.id));
    },
  }).withTypeProvider<TypeBoxTypeProvider>() as unknown as ApiServer;
  app.server.maxConnections = maxConnections;
  app.removeContentTypeParser('text/plain');
  decorate(app);
  const templates = watchRoutes(app);
  observeRequests(app, options.registry);
  await addSecurityHeaders(app, options);
  const limiter = await addRateLimits(app, {
    limits: { ...defaultRateLimits, ...options.limits },
    redis: options.redis,
  });
  addHooks(app, options, limiter);
  app.setErrorHandler(async (error, request, reply) => {
    const problem = toProblem(error, request.id);
    if (problem.status >= 500) request.log.error({ err: error, request: request.id }, 'request failed');
    if (problem.status === 403 || problem.status === 404) await options.onRefused?.(request, problem.status);
    return sendProblem(reply, problem);
  });
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?', 1)[0] ?? '';
    const methods = templates.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method);
    if (methods.length === 0) return sendProblem(reply, httpProblem(404, request.id));
    reply.header('Allow', [...new Set(methods)].join(', '));
    return sendProblem(reply, httpProblem(405, request.id));
  });
  await addOpenApi(app);
  healthRoute(app, { ...options.health, redis: options.redis });
  return app;
}

function decorate(app: ApiServer): void {
  app.decorateRequest('caller', undefined);
  app.decorateRequest('principal', {
    getter(this: FastifyRequest) {
      if (!this.caller) throw unauthenticated();
      return this.caller;
    },
  });
}

interface Template {
  readonly method: string;
  readonly url: string;
  readonly pattern: RegExp;
}

/** Holds every route to its duties as it is registered. */
function watchRoutes(app: ApiServer): Template[] {
  const templates: Template[] = [];
  app.addHook('onRoute', (route) => {
    const config = route.config ?? {};
    route.config = config;
    if (isReference(route.url)) config.action = 'public';
    if (config.action === undefined) throw new Error(`${String(route.method)} ${route.url} has no config.action`);
    closeSchemas(route);
    const pattern = new RegExp(
      `^${route.url
        .replaceAll(/[.]/g, '\\.')
        .replaceAll(/:[^/]+/g, '[^/]+')
        .replaceAll('*', '.*')}/?$`,
    );
    for (const method of [route.method].flat()) templates.push({ method, url: route.url, pattern });
  });
  return templates;
}

/** The pages of the reference are registered by their plug-in. */
function isReference(url: string): boolean {
  return url === '/docs' || url.startsWith('/docs/');
}

function addHooks(app: ApiServer, { authenticator }: HttpAppOptions, limiter: RateLimiter): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.header('X-Request-Id', request.id);
    reply.header('Cache-Control', 'no-store');
    const { action } = request.routeOptions.config;
    // A stale token is no reason to refuse a sign-in, nor a database that is away one to refuse /health.
    if (action === undefined || action === 'public') return limiter.check(request);
    let refused: unknown;
    try {
      request.caller = await authenticator.authenticate(request.headers.authorization);
    } catch (error) {
      refused = error;
    }
    // Whoever has no good credentials is counted too, by address.
    await limiter.check(request);
    if (refused) throw refused;
    authorize(request.caller, action);
  });
  app.addHook('preHandler', async (request) => {
    const { email } = (request.body ?? {}) as SignIn;
    if (request.routeOptions.config.limit === 'sign-in' && email)
      await limiter.checkEmail(request, email.toLowerCase());
  });
  app.addHook('preValidation', async (request) => {
    const schema = request.routeOptions.schema as RouteOptions['schema'] & Record<string, unknown>;
    checkText(request);
    readText(request.query as Record<string, unknown>, schema?.querystring as JsonSchema | undefined);
    readText(request.params as Record<string, unknown>, schema?.params as JsonSchema | undefined);
  });
}

interface SignIn {
  readonly email?: string;
}

function authorize(caller: Principal | undefined, action: Action): void {
  if (!caller) throw unauthenticated();
  if (!may(caller, action)) throw new Refusal('forbidden', 'GPUB_FORBIDDEN', whyNot(caller, action));
}

function unauthenticated(): Refusal {
  return new Refusal('unauthenticated', 'GPUB_UNAUTHENTICATED', 'sign in, or send an API key: Authorization: Bearer …');
}

function sendProblem(reply: FastifyReply, problem: ReturnType<typeof toProblem>): FastifyReply {
  if (problem.status === 401) reply.header('WWW-Authenticate', 'Bearer');
  if (problem.retry_after !== undefined) reply.header('Retry-After', problem.retry_after);
  return reply.code(problem.status).type(problemType).serializer(JSON.stringify).send(problem);
}
