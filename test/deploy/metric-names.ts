// The metrics that broker and nodes have, by the names under which Prometheus keeps them, and those that a PromQL text
// names.
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { newFolder } from '../fixtures/cache-server.ts';
import { startDaemon } from '../fixtures/daemon-process.ts';

const root = join(import.meta.dirname, '..', '..');
const made = /new (Counter|Gauge|Histogram)\(\{\s*name: '(gpubroker_\w+)'/g;
/** Of the node link, which has functions that make its counters. */
const counted = /\b(?:counter|plain)\(\s*registry,\s*'(gpubroker_\w+)'/g;

/** Every name under which a broker's /metrics gives samples. */
export async function brokerSeries(): Promise<Set<string>> {
  const series = new Set<string>();
  for (const path of globSync('src/broker/**/*.ts', { cwd: root })) {
    const text = readFileSync(join(root, path), 'utf8');
    for (const [, type = '', name = ''] of text.matchAll(made)) add(series, name, type.toLowerCase());
    for (const [, name = ''] of text.matchAll(counted)) add(series, name, 'counter');
  }
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  for (const { name, type } of await registry.getMetricsAsJSON()) add(series, name, String(type));
  return series;
}

/** Every name under which the /metrics of an agent that has a broker gives samples. */
export async function nodeSeries(): Promise<Set<string>> {
  const folder = newFolder();
  const token = join(folder, 'token');
  writeFileSync(token, 'not-a-token');
  // No broker is there; the metrics of the link are.
  const link = ['--broker-url', 'https://127.0.0.1:1', '--onboarding-token-file', token];
  const agent = startDaemon({ folder, flags: ['--sources', 'simulated', ...link] });
  try {
    await agent.logged('source state changed');
    const series = new Set<string>();
    for (const [, name = '', type = ''] of (await agent.metrics()).matchAll(/^# TYPE (\S+) (\S+)$/gm))
      add(series, name, type);
    return series;
  } finally {
    await agent.remove();
  }
}

/** The metrics that a text names. */
export function metricsIn(text: string): string[] {
  return [...new Set(text.match(/\b(?:gpubroker|process|nodejs|device_api_server|grpc_server|DCGM_FI)_\w+/g) ?? [])];
}

function add(series: Set<string>, name: string, type: string): void {
  const suffixes = type === 'histogram' ? ['_bucket', '_count', '_sum'] : [''];
  for (const suffix of suffixes) series.add(name + suffix);
}
