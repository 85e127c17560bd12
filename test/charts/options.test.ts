// Every option that the chart gives the agent and the device plugin is one that they have, and take.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { devicePluginOptions } from '../../src/daemon/device-plugin-options.ts';
import { agentOptions } from '../../src/daemon/node-options.ts';
import { type OptionSet, type ResolvedOptions, resolveOptions } from '../../src/daemon/options.ts';
import { type KubernetesObject, nodeChart, objects, type Values } from '../fixtures/helm.ts';
import { allCases, cases } from './cases.ts';

const scratch = mkdtempSync(join(tmpdir(), 'gpubroker-chart-'));
afterAll(() => rmSync(scratch, { recursive: true }));

/** The option files of the ConfigMap, by name. */
function optionFiles(made: readonly KubernetesObject[]): Record<string, string> {
  const found = made.find(({ kind, metadata }) => kind === 'ConfigMap' && !metadata.name.endsWith('-dashboard'));
  return (found as unknown as { data: Record<string, string> }).data;
}

/** What a daemon makes of the chart's options. */
function read<T>(set: OptionSet<T>, name: string, values: Values) {
  const file = join(scratch, name);
  writeFileSync(file, optionFiles(objects(values))[name] ?? '');
  return resolveOptions(set, { argv: ['--config', file], environment: { NODE_NAME: 'gpu-node-1' } });
}

const resolved = (values: Values) => read(agentOptions, 'agent.yaml', values);
const resolvedPlugin = (values: Values) => read(devicePluginOptions, 'device-plugin.yaml', values);

/** What no value sets but `config`. */
function others({ settings }: ResolvedOptions<unknown>): string[] {
  const set = settings.filter(({ source }) => source.startsWith('file ')).map(({ key }) => key);
  return settings.map(({ key }) => key).filter((key) => ![...set, 'config', 'node-name'].includes(key));
}

test.each(allCases)('%s: the agent takes them', (_name, { values }) => {
  const { warnings } = resolved(values);
  expect(warnings).toEqual([]);
});

test('the kubelet is asked for pods only where its socket is mounted', () => {
  const socket = (enabled: boolean) => resolved({ podResources: { enabled } }).values.podResourcesSocket;
  expect([socket(false), socket(true)]).toEqual(['', '/var/lib/kubelet/pod-resources/kubelet.sock']);
});

test('values become the options that they stand for', () => {
  expect(resolved(cases.served.values).values).toMatchObject({
    unixSocket: '/run/gpus/api/gpu.sock',
    socketMode: 0o666,
    socketGroup: '4242',
    grpcAddress: '0.0.0.0:50051',
    grpcAllowWrites: true,
    tlsCert: '/etc/gpubroker/tls/tls.crt',
    tlsKey: '/etc/gpubroker/tls/tls.key',
    listenHost: '::',
    healthPort: 18_081,
    metricsPort: 19_090,
    shutdownDelay: 0,
    shutdownTimeout: 10_000,
    dataDir: '/srv/gpubroker/data',
    logLevel: 'debug',
    logFormat: 'text',
    nodeName: 'gpu-node-1',
  });
  expect(resolved(cases.broker.values).values).toMatchObject({
    brokerUrl: 'https://broker.example:10356',
    brokerCa: '/etc/gpubroker/broker-ca/ca.crt',
    onboardingTokenFile: '/etc/gpubroker/broker-token/token',
    brokerClientCert: '/etc/gpubroker/broker-client-cert/tls.crt',
    brokerClientKey: '/etc/gpubroker/broker-client-cert/tls.key',
  });
  expect(resolved(cases.privileged.values).values).toMatchObject({ kernelLog: 'on', driverRoot: '/host-driver' });
  expect(resolved(cases['chosen-nodes'].values).values).toMatchObject({
    sources: ['simulated'],
    simulate: 'dgx-a100',
    probeInterval: 2000,
  });
});

test('the defaults are those of the agent, but for what a pod needs', () => {
  const [inPod, alone] = [resolved({}), resolveOptions(agentOptions, { argv: [], environment: {} })];
  const differing = Object.entries(inPod.values).filter(
    ([name, value]) => String(value) !== String(alone.values[name as keyof typeof alone.values]),
  );
  expect(Object.fromEntries(differing)).toEqual({
    listenHost: '0.0.0.0',
    nodeName: 'gpu-node-1',
    hostRoot: '/host',
    kernelLog: 'off',
    config: expect.stringContaining('agent.yaml'),
  });
});

test('the device plugin takes its own', () => {
  const { values, warnings } = resolvedPlugin(cases['device-plugin'].values);
  expect(warnings).toEqual([]);
  expect(values).toMatchObject({ resourceName: 'amd.com/gpu', lostAfter: 30_000, hostRoot: '/host' });
  const alone = resolveOptions(devicePluginOptions, { argv: [], environment: {} }).values;
  const given = resolvedPlugin({ devicePlugin: { enabled: true } }).values;
  expect({ ...given, nodeName: alone.nodeName }).toEqual({
    ...alone,
    listenHost: '0.0.0.0',
    hostRoot: '/host',
    config: expect.stringContaining('device-plugin.yaml'),
  });
});

test('`config` takes every option that no other value sets, and no other: `make generate` writes them down', () => {
  const { properties } = JSON.parse(readFileSync(join(nodeChart, 'values.schema.json'), 'utf8'));
  const taken = (config: { properties: object }) => Object.keys(config.properties);
  const everyValue = { ...cases.served.values, ...cases.broker.values, devicePlugin: { enabled: true } };
  expect(taken(properties.config)).toEqual(others(resolved(everyValue)));
  expect(taken(properties.devicePlugin.properties.config)).toEqual(others(resolvedPlugin(everyValue)));
});
