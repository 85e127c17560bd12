// /metrics serves the registry in the format of Prometheus.
import { pino } from 'pino';
import { Counter, Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { startMetricsServer } from '../../src/daemon/metrics-server.ts';

test('the registry is served', async () => {
  const registry = new Registry();
  new Counter({ name: 'things_total', help: 'Things', registers: [registry] }).inc(3);
  const service = await startMetricsServer({ host: '127.0.0.1', port: 0, registry, log: pino({ enabled: false }) });
  const response = await fetch(`http://127.0.0.1:${service.port}/metrics`);
  expect(response.headers.get('content-type')).toBe(registry.contentType);
  expect(await response.text()).toContain('things_total 3');
  await service.close();
});
