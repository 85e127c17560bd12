// Serves /metrics for Prometheus.
import type { Registry } from 'prom-client';
import { type HttpService, type Routes, startHttpService } from './http-service.ts';
import type { Log } from './logger.ts';

interface MetricsServerOptions {
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  readonly registry: Registry;
  readonly log: Log;
  /** What is served besides. */
  readonly routes?: Routes | undefined;
}

/**
 * Starts serving the registry.
 * @throws CodedError if it cannot listen.
 */
export function startMetricsServer({ host, port, registry, log, routes }: MetricsServerOptions): Promise<HttpService> {
  const scrape = async () => ({ status: 200, type: registry.contentType, body: await registry.metrics() });
  return startHttpService({ name: 'metrics', host, port, log, routes: { ...routes, '/metrics': scrape } });
}
