// One line in the log and one observation for each request. No headers, no bodies, no query: they may hold secrets.
import { Gauge, Histogram, type Registry } from 'prom-client';
import type { ApiServer } from './app.ts';

/** Seconds; the SRS asks for 95 % within 0.1. */
const bounds = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5];
/** As nginx has it: the client went away before it had its answer. */
const clientGone = 499;

/** Adds logging and metrics to a server; register it before other hooks, so that their time counts. */
export function observeRequests(app: ApiServer, registry: Registry): void {
  const latency = new Histogram({
    name: 'gpubroker_api_latency_seconds',
    help: 'How long requests to the HTTP API took, in seconds.',
    labelNames: ['route', 'method', 'status'],
    buckets: bounds,
    registers: [registry],
  });
  const inFlight = new Gauge({
    name: 'gpubroker_api_requests_in_flight',
    help: 'Requests to the HTTP API that are not answered yet.',
    registers: [registry],
  });
  app.addHook('onRequest', async (request, reply) => {
    inFlight.inc();
    const begun = performance.now();
    // The one event that comes for every request, also if it is cut or becomes a stream.
    reply.raw.once('close', () => {
      inFlight.dec();
      const ms = performance.now() - begun;
      const status = reply.raw.writableEnded ? reply.raw.statusCode : clientGone;
      // The template, not the path: else every id would be a time series of its own.
      const route = request.routeOptions.url ?? 'none';
      latency.observe({ route, method: request.method, status }, ms / 1000);
      const line = { request: request.id, route, method: request.method, status, ms: Math.round(ms * 10) / 10 };
      const level = route === '/health' ? 'debug' : 'info';
      request.log[level]({ ...line, principal: request.caller?.credentialId, user: request.caller?.userId }, 'request');
    });
  });
}
