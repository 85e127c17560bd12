// Values that make no sense are refused, each with a message that names the value and what is allowed.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { nodeChart, refusal, type Values } from '../fixtures/helm.ts';

const refused: [string, Values, ...string[]][] = [
  ['a value that is not there', { serverr: {} }, "additional properties 'serverr' not allowed"],
  ['a nested value that is not there', { server: { port: 1 } }, '/server', "additional properties 'port' not allowed"],
  [
    'a percentage of the budget',
    { podDisruptionBudget: { minAvailable: '50%' } },
    '/podDisruptionBudget/minAvailable',
    'got string, want integer',
  ],
  ['a port that is none', { server: { healthPort: 70_000 } }, '/server/healthPort', 'maximum: got 70,000, want 65,535'],
  ['a port as a text', { server: { metricsPort: '9090' } }, '/server/metricsPort', 'got string, want integer'],
  ['an unknown vendor', { vendors: ['nvidea'] }, '/vendors/0', "value must be one of 'nvidia', 'amd', 'intel'"],
  ['a vendor twice', { vendors: ['amd', 'amd'] }, '/vendors', 'items at 0 and 1 are equal'],
  ['a level of the log', { logging: { level: 'verbose' } }, '/logging/level', "'trace', 'debug', 'info'"],
  ['a broker without TLS', { broker: { url: 'http://broker.example:10356' } }, '/broker/url', 'does not match pattern'],
  ['a broker without a port', { broker: { url: 'https://broker.example' } }, '/broker/url', 'does not match pattern'],
  [
    'a secret by its content',
    { broker: { tokenSecret: '-----BEGIN' } },
    '/broker/tokenSecret',
    'does not match pattern',
  ],
  ['a token in the values', { broker: { token: 'secret' } }, '/broker', "additional properties 'token' not allowed"],
  ['a relative socket', { server: { unixSocket: 'device.sock' } }, '/server/unixSocket', 'does not match pattern'],
  ['a socket right below the root', { server: { unixSocket: '/device.sock' } }, '/server/unixSocket', 'does not match'],
  ['a mode that is none', { server: { socketMode: '0999' } }, '/server/socketMode', 'does not match pattern'],
  ['a data folder that is the root', { dataDir: '/' }, '/dataDir', 'does not match pattern'],
  ['a digest that is none', { image: { digest: 'latest' } }, '/image/digest', 'does not match pattern'],
  ['an amount that is none', { resources: { limits: { memory: '128MB' } } }, '/resources/limits/memory'],
  ['a root user by number', { securityContext: { runAsUser: 0 } }, '/securityContext/runAsUser', 'minimum'],
  ['an unknown way to devices', { deviceAccess: 'host' }, '/deviceAccess', "'runtime', 'privileged'"],
  [
    'monitoring of another kind',
    { metrics: { serviceMonitor: { enabled: 'yes' } } },
    '/metrics/serviceMonitor/enabled',
  ],
  [
    'a resource without a domain',
    { devicePlugin: { resourceName: 'gpu' } },
    '/devicePlugin/resourceName',
    'does not match',
  ],
  [
    'an unknown MIG strategy',
    { devicePlugin: { migStrategy: 'all' } },
    '/devicePlugin/migStrategy',
    "'single', 'mixed'",
  ],
  ['an unknown option of the plugin', { devicePlugin: { config: { lost: '1s' } } }, '/devicePlugin/config', 'lost'],
  ['an unknown option of the agent', { config: { 'probe-intervall': '1s' } }, '/config', 'probe-intervall'],
  ['an option that has its own value', { config: { 'health-port': 1 } }, '/config', 'health-port'],
  ['an option with a mapping', { config: { sources: { nvml: true } } }, '/config/sources'],
];

test.each(refused)('%s is refused', (_what, values, ...words) => {
  const complaint = refusal(values);
  for (const word of words) expect(complaint).toContain(word);
});

const conflicts: [Values, string][] = [
  [{ kernelLog: { enabled: true } }, 'kernelLog.enabled needs deviceAccess: privileged'],
  [{ broker: { tokenSecret: 'token' } }, 'broker.url is empty, but'],
  [{ server: { healthPort: 9090 } }, 'server.healthPort and server.metricsPort are both 9090'],
  [
    { server: { metricsPort: 8082 }, devicePlugin: { enabled: true } },
    'devicePlugin.healthPort and server.metricsPort are both 8082',
  ],
  [{ server: { grpcAddress: '0.0.0.0:50051' } }, 'server.grpcAddress: 0.0.0.0:50051 can be reached from other pods'],
  [
    { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [] } } } },
    'affinity: a required node affinity of your own goes only with vendors: []',
  ],
];

test.each(conflicts)('%j is refused, for its values do not go together', (values, message) => {
  expect(refusal(values)).toContain(message);
});

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
}

/** The values that a schema has, as paths; of `config`, whose options have no defaults here, only itself. */
function pathsOf({ properties = {} }: Schema, path = ''): string[] {
  return Object.entries(properties).flatMap(([name, inner]) => {
    const place = `${path}/${name}`;
    return inner.properties && name !== 'config' ? pathsOf(inner, place) : [place];
  });
}

test('every value of the schema has its default in values.yaml', () => {
  const chart = (name: string) => readFileSync(join(nodeChart, name), 'utf8');
  const defaults = parse(chart('values.yaml'));
  const given = (path: string) =>
    path
      .split('/')
      .slice(1)
      .reduce((found, name) => found?.[name], defaults);
  const paths = pathsOf(JSON.parse(chart('values.schema.json')));
  // Helm's own, and what a rolling update need not say.
  const optional = ['/global', '/updateStrategy/rollingUpdate/maxSurge'];
  expect(paths.length).toBeGreaterThan(60);
  expect(paths.filter((path) => given(path) === undefined)).toEqual(optional.toReversed());
});
