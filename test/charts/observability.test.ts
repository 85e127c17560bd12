// Prometheus and Grafana get the very rules and the dashboard of deploy/, under the names that these go by.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { objects, type Values } from '../fixtures/helm.ts';

const deploy = (path: string) => readFileSync(join(import.meta.dirname, '..', '..', 'deploy', path), 'utf8');

function madeOf<T>(kind: string, values: Values = {}, monitoring = true): T | undefined {
  const found = objects(values, { monitoring }).find((object) => object.kind === kind);
  return found as T | undefined;
}

test('the rules are those of deploy/alerts', () => {
  const rule = madeOf<{ spec: unknown }>('PrometheusRule');
  expect(rule?.spec).toEqual(parse(deploy('alerts/node.yaml')));
});

test('the dashboard is that of deploy/dashboards, with the label that Grafana’s sidecar looks for', () => {
  const dashboards = objects({}).filter(({ metadata }) => metadata.name.endsWith('-dashboard'));
  expect(dashboards).toEqual([
    expect.objectContaining({
      metadata: expect.objectContaining({ labels: expect.objectContaining({ grafana_dashboard: '1' }) }),
      data: { 'gpubroker-device-api.json': deploy('dashboards/device-api.json') },
    }),
  ]);
});

test('the scraped series have the job and the instance that rules and dashboard ask for', () => {
  const monitor = madeOf<{ spec: { endpoints: { relabelings: object[] }[]; selector: { matchLabels: object } } }>(
    'ServiceMonitor',
  );
  expect(monitor?.spec.endpoints[0]?.relabelings).toEqual([
    { targetLabel: 'job', replacement: 'gpubroker-node' },
    { sourceLabels: ['__meta_kubernetes_pod_node_name'], targetLabel: 'instance' },
  ]);
  const services = objects({}).filter(({ kind }) => kind === 'Service');
  expect(services).toEqual([
    expect.objectContaining({
      metadata: expect.objectContaining({ labels: expect.objectContaining(monitor?.spec.selector.matchLabels ?? {}) }),
      spec: expect.objectContaining({ clusterIP: 'None', publishNotReadyAddresses: true }),
    }),
  ]);
});

test.each([
  ['auto', true, true],
  ['auto', false, false],
  [true, false, true],
  [false, true, false],
])('enabled: %s, on a cluster whose operator is there: %s → made: %s', (enabled, operator, made) => {
  const values = { metrics: { serviceMonitor: { enabled }, prometheusRule: { enabled } } };
  expect(madeOf('ServiceMonitor', values, operator) !== undefined).toBe(made);
  expect(madeOf('PrometheusRule', values, operator) !== undefined).toBe(made);
});

test('labels by which a Prometheus selects are added', () => {
  const values = {
    metrics: { serviceMonitor: { labels: { release: 'mine' } }, prometheusRule: { labels: { a: 'b' } } },
  };
  expect(madeOf('ServiceMonitor', values)).toMatchObject({ metadata: { labels: { release: 'mine' } } });
  expect(madeOf('PrometheusRule', values)).toMatchObject({ metadata: { labels: { a: 'b' } } });
});
