// A small read-only HTTP server: what probes and metrics have in common.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { formatAddress } from './address.ts';
import { addressInUse, addressRefused, messageOf } from './errors.ts';
import type { Log } from './logger.ts';

export interface HttpRequest {
  readonly path: string;
  readonly query: URLSearchParams;
  /** The `Accept` header; empty if there is none. */
  readonly accept: string;
}

export interface HttpReply {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/** What is answered, by path. */
export type Routes = Readonly<Record<string, (request: HttpRequest) => HttpReply | Promise<HttpReply>>>;

/** A server that listens. */
export interface HttpService {
  /** The real port, also where any was asked for. */
  readonly port: number;
  /** Stops listening and waits for replies in progress; once `force` is aborted, cuts them. */
  close(force?: AbortSignal): Promise<void>;
}

interface HttpServiceOptions {
  /** What it serves, for messages: `health` or `metrics`. */
  readonly name: string;
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  readonly log: Log;
  readonly routes: Routes;
}

/** A client that sends nothing, or slowly, is cut after these. */
const limits = {
  headersTimeout: 5000,
  requestTimeout: 5000,
  keepAliveTimeout: 5000,
  connectionsCheckingInterval: 1000,
};
const maxConnections = 256;

/**
 * Starts serving GET and HEAD on the routes.
 * @throws CodedError if it cannot listen.
 */
export async function startHttpService(options: HttpServiceOptions): Promise<HttpService> {
  const { name, log } = options;
  const server = createServer(limits, (request, response) => {
    answer(options, request, response).catch((error: unknown) => {
      log.error({ err: error, path: request.url }, `${name} request failed`);
      send(request, response, text(500, 'internal error; the log says more\n'));
    });
  });
  server.maxConnections = maxConnections;
  const port = await listen(server, options);
  log.info({ address: options.host, port }, `serving ${name}`);
  return { port, close: (force) => close(server, force) };
}

/** A plain-text reply. */
export function text(status: number, body: string): HttpReply {
  return { status, type: 'text/plain; charset=utf-8', body };
}

async function answer(options: HttpServiceOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    send(request, response, text(405, 'only GET and HEAD are served here\n'));
    return;
  }
  // An absolute-form target would parse as another host; only path and query matter.
  const url = URL.parse(request.url ?? '/', 'http://local');
  const route = url && Object.hasOwn(options.routes, url.pathname) ? options.routes[url.pathname] : undefined;
  if (!url || !route) {
    send(request, response, text(404, `not found; try ${Object.keys(options.routes).join(', ')}\n`));
    return;
  }
  const reply = await route({ path: url.pathname, query: url.searchParams, accept: request.headers.accept ?? '' });
  send(request, response, reply);
}

function send(request: IncomingMessage, response: ServerResponse, { status, type, body }: HttpReply): void {
  if (response.headersSent) return;
  response.writeHead(status, {
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

function listen(server: Server, { name, host, port }: HttpServiceOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const address = formatAddress({ host, port });
      reject(
        error.code === 'EADDRINUSE' ? addressInUse(name, address) : addressRefused(name, address, messageOf(error)),
      );
    });
    server.listen({ host, port }, () => {
      const bound = server.address();
      resolve(typeof bound === 'object' && bound !== null ? bound.port : port);
    });
  });
}

function close(server: Server, force?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const cut = () => server.closeAllConnections();
    force?.addEventListener('abort', cut, { once: true });
    server.close(() => {
      force?.removeEventListener('abort', cut);
      resolve();
    });
    server.closeIdleConnections();
    if (force?.aborted) cut();
  });
}
