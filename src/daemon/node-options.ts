// The options of the two node daemons: the cache server's, and the agent's, which are those and more.
import { hostname } from 'node:os';
import { isLoopback, parseAddress } from './address.ts';
import { type CodedError, optionConflict } from './errors.ts';
import type { Polarity, PolarityOverrides } from './health.ts';
import { logOptions } from './log-options.ts';
import { anyOf, choice, custom, duration, fileMode, flag, integer, path, size, text } from './option-kinds.ts';
import { type OptionSet, type OptionValues, optionSet } from './options.ts';

export { type LogLevel, logLevels } from './log-levels.ts';

/** Where agents look for devices. */
export type SourceName = 'nvml' | 'amd' | 'intel' | 'simulated';

const sourceNames = ['nvml', 'amd', 'intel', 'simulated'] as const satisfies readonly SourceName[];
const polarities = ['good', 'bad', 'info'] as const satisfies readonly Polarity[];

/** The longest path of a Unix socket that every system takes. */
export const maxSocketPathBytes = 107;

/** By far more than there are. */
const maxXid = 1_023;

export const cacheServerTable = {
  'unix-socket': path({
    description: 'Unix socket on which the device API is served',
    default: '/var/run/device-api/device.sock',
    maxBytes: maxSocketPathBytes,
  }),
  'socket-mode': fileMode({ description: 'Permissions of the Unix socket, in octal', default: 0o660 }),
  'socket-group': custom({
    description: 'Group that owns the Unix socket, by name or number; empty leaves it',
    allowed: 'the name or number of a group, or nothing to leave it',
    fallback: () => '',
    parse: (value) => (/^[A-Za-z0-9_.-]*$/.test(value) ? value : undefined),
  }),
  'grpc-address': custom({
    description: 'TCP address on which the device API is served too, read-only; empty for none',
    allowed: 'HOST:PORT, or nothing for no TCP',
    fallback: () => '127.0.0.1:50051',
    parse: (value) => (value === '' || parseAddress(value) ? value : undefined),
  }),
  'grpc-allow-writes': flag({ description: 'Allow writes over TCP as well', default: false }),
  'tls-cert': path({ description: 'PEM file of the certificate for TCP', default: '' }),
  'tls-key': path({ description: 'PEM file of the key for TCP', default: '' }),
  'listen-host': text({
    description: 'Address on which health and metrics are served',
    default: '127.0.0.1',
    allowed: 'an IP address or a host name',
    check: (value) => /^[A-Za-z0-9_.:-]+$/.test(value),
  }),
  'health-port': integer({
    description: 'Port of /healthz, /livez and /readyz; 0 for any free one',
    default: 8081,
    min: 0,
    max: 65535,
  }),
  'metrics-port': integer({
    description: 'Port of /metrics; 0 for any free one',
    default: 9090,
    min: 0,
    max: 65535,
  }),
  'data-dir': path({ description: 'Folder for what must survive a restart', default: '/var/lib/gpubroker' }),
  'node-name': custom({
    description: "This node's name",
    allowed: 'a name of at most 253 letters, digits, dots, dashes and underscores',
    fallback: hostname,
    fallbackText: 'the host name',
    variables: ['NODE_NAME'],
    parse: (value) => (/^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$/.test(value) ? value : undefined),
  }),
  'name-format': choice({
    description: 'How a GPU is named after its UUID: lowercase, or raw as the driver spells it',
    choices: ['lowercase', 'raw'],
    default: 'lowercase',
  }),
  'condition-polarity': custom<PolarityOverrides>({
    description: 'What further condition types mean: Type=good where True is healthy, =bad, =info to ignore',
    allowed: `Type=${anyOf(polarities)}, separated by commas`,
    fallback: () => new Map(),
    repeatable: true,
    parse: parsePolarities,
    format: (overrides) => [...overrides].map((entry) => entry.join('=')).join(','),
  }),
  'watch-queue-size': integer({
    description: 'Events that a watcher may lag behind before its stream is ended',
    default: 100,
    min: 1,
    max: 100_000,
  }),
  'watch-history-size': integer({
    description: 'Events kept for watchers that come back',
    default: 1000,
    min: 1,
    max: 1_000_000,
  }),
  'heartbeat-interval': duration({
    description: 'How often providers report; after a restart, conditions not reported in three of these turn Unknown',
    default: '3s',
    min: '100ms',
    max: '10m',
  }),
  'shutdown-delay': duration({
    description: 'Time between "not ready" and the end of serving, for clients to move away',
    default: '5s',
    min: '0s',
    max: '10m',
  }),
  'shutdown-timeout': duration({
    description: 'Longest wait for calls in progress after that',
    default: '30s',
    min: '0s',
    max: '1h',
  }),
  ...logOptions,
  config: path({ description: 'YAML file with options', default: '' }),
};

export const agentTable = {
  ...cacheServerTable,
  sources: custom<'auto' | readonly SourceName[]>({
    description: `Where to look for GPUs: auto, or any of ${sourceNames.join(', ')}; auto never means simulated`,
    allowed: `auto, or a list of ${anyOf(sourceNames)} separated by commas`,
    fallback: () => 'auto',
    repeatable: true,
    parse: parseSources,
    format: (value) => (value === 'auto' ? value : value.join(',')),
  }),
  simulate: text({ description: 'What the simulated source simulates: the name of a node type', default: 'dgx-h100' }),
  'simulate-faults': path({
    description: 'JSON file of faults that the simulated source plays; faults.json in the data folder if not given',
    default: '',
  }),
  'nvml-library': path({ description: 'Name or path of the NVML library', default: 'libnvidia-ml.so.1' }),
  'level-zero-library': path({
    description:
      "Name or path of Level Zero's loader, asked for the memory of Intel cards whose driver does not say it",
    default: 'libze_loader.so.1',
  }),
  'driver-root': path({ description: 'Where a containerised driver is mounted', default: '/run/nvidia/driver' }),
  'host-root': path({
    description: "Where the host's root file system is mounted, for what is read of sysfs and procfs",
    default: '/',
  }),
  'probe-interval': duration({
    description: 'How often every GPU is looked at',
    default: '1s',
    min: '100ms',
    max: '1h',
  }),
  'probe-deadline': duration({
    description: 'Longest wait for one answer of the driver, before it counts as hung',
    default: '5s',
    min: '100ms',
    max: '10m',
  }),
  'probe-init-deadline': duration({
    description: 'The same while the driver initialises, which can take long',
    default: '60s',
    min: '100ms',
    max: '1h',
  }),
  'telemetry-interval': duration({
    description: 'How often utilisation, memory, temperature and power are read',
    default: '5s',
    min: '100ms',
    max: '1h',
  }),
  'health-checks': choice({
    description: 'Whether XIDs, error counters, heat and the like become conditions of the GPUs',
    choices: ['on', 'off'],
    default: 'on',
  }),
  'ignored-xids': xidList({
    description: 'XIDs that are counted and logged, and no more; nothing for none',
    default: [13, 31, 43, 45, 68, 109],
  }),
  'fatal-xids': xidList({
    description: 'XIDs that make a GPU unhealthy besides those that do anyway; they win over ignored ones',
    default: [],
  }),
  'health-quiet-period': duration({
    description: 'How long a GPU that failed must be without trouble before it counts as healthy again',
    default: '5m',
    min: '0s',
    max: '24h',
  }),
  'kernel-log': choice({
    description:
      "Whether XIDs are read from the kernel's log (dev/kmsg below host-root) too; auto where it can be read",
    choices: ['auto', 'on', 'off'],
    default: 'auto',
  }),
  'broker-url': custom({
    description: 'The broker that this node joins, by TLS; empty for none',
    allowed: 'https://HOST:PORT, or nothing for no broker',
    fallback: () => '',
    parse: (value) => (value === '' || isBrokerUrl(value) ? value : undefined),
  }),
  'onboarding-token-file': path({
    description: 'File with the token by which the node joins; not read once it has joined',
    default: '',
  }),
  'broker-ca': path({
    description: "PEM file of the certificates by which the broker's is judged; none for those of Node.js",
    default: '',
  }),
  'broker-client-cert': path({
    description: 'PEM file of a certificate to show to the broker, or to a proxy before it',
    default: '',
  }),
  'broker-client-key': path({ description: 'PEM file of the key of that certificate', default: '' }),
  'pod-resources-socket': path({
    description:
      "The kubelet's socket that says which pods hold which GPUs, so that none of those is sold; empty for none",
    default: '',
    maxBytes: maxSocketPathBytes,
  }),
  'benchmark-interval': duration({
    description: 'How often each GPU is measured while it is free; 0s for never',
    default: '24h',
    min: '0s',
    max: '8760h',
  }),
  'benchmark-effort': choice({
    description: 'How thoroughly it is measured then',
    choices: ['quick', 'normal', 'thorough'],
    default: 'quick',
  }),
  'compute-devices': custom<ReadonlyMap<string, number>>({
    description:
      'Which device of `gpubroker bench devices` a GPU is, where no compute library says it: GPU=NUMBER, by UUID',
    allowed: 'GPU=NUMBER, separated by commas, or nothing for none',
    fallback: () => new Map(),
    repeatable: true,
    parse: parseComputeDevices,
    format: (devices) => [...devices].map((entry) => entry.join('=')).join(','),
  }),
  'spool-size': size({
    description: 'Telemetry kept on disk while the broker is away; beyond it the oldest is dropped',
    default: '64MiB',
    min: '1MiB',
    max: '64GiB',
  }),
};

export type CacheServerOptions = OptionValues<typeof cacheServerTable>;
export type AgentOptions = OptionValues<typeof agentTable>;

/** Options of `gpubroker cache-server`. */
export const cacheServerOptions: OptionSet<CacheServerOptions> = optionSet(cacheServerTable, servingRules);

/** Options of `gpubroker agent`. */
export const agentOptions: OptionSet<AgentOptions> = optionSet(agentTable, agentRules);

function* servingRules(values: CacheServerOptions): Iterable<CodedError> {
  const { grpcAddress, grpcAllowWrites, tlsCert, tlsKey } = values;
  if ((tlsCert === '') !== (tlsKey === '')) {
    yield optionConflict('only one of tls-cert and tls-key is given', 'give both or neither');
  }
  const host = parseAddress(grpcAddress)?.host;
  const secured = grpcAllowWrites && tlsCert !== '' && tlsKey !== '';
  if (host !== undefined && !isLoopback(host) && !secured) {
    yield optionConflict(
      `grpc-address: ${grpcAddress} can be reached from other machines`,
      'give a loopback address such as 127.0.0.1:50051, or all of grpc-allow-writes, tls-cert and tls-key',
    );
  }
  yield* portRules(values);
}

/** Two services of one daemon cannot listen on one port. */
export function* portRules({ healthPort, metricsPort }: Pick<CacheServerOptions, 'healthPort' | 'metricsPort'>) {
  if (healthPort === metricsPort && healthPort !== 0) {
    yield optionConflict(`health-port and metrics-port are both ${healthPort}`, 'give them different ports');
  }
}

function* agentRules(values: AgentOptions): Iterable<CodedError> {
  yield* servingRules(values);
  const { brokerUrl, onboardingTokenFile, brokerCa, brokerClientCert, brokerClientKey } = values;
  const given = {
    'onboarding-token-file': onboardingTokenFile,
    'broker-ca': brokerCa,
    'broker-client-cert': brokerClientCert,
  };
  for (const [name, value] of Object.entries(given)) {
    if (value !== '' && brokerUrl === '')
      yield optionConflict(`${name} is given, but no broker-url`, 'give both or neither');
  }
  if ((brokerClientCert === '') !== (brokerClientKey === '')) {
    yield optionConflict('only one of broker-client-cert and broker-client-key is given', 'give both or neither');
  }
}

/** A list of XIDs, in any order. */
function xidList(spec: { readonly description: string; readonly default: readonly number[] }) {
  return custom<ReadonlySet<number>>({
    description: spec.description,
    allowed: `XIDs from 1 to ${maxXid}, separated by commas, or nothing for none`,
    fallback: () => new Set(spec.default),
    repeatable: true,
    parse: parseXids,
    format: (codes) => [...codes].join(','),
  });
}

function parseXids(text: string): ReadonlySet<number> | undefined {
  const codes = splitList(text).map((item) => (/^\d{1,4}$/.test(item) ? Number(item) : 0));
  return codes.every((code) => code >= 1 && code <= maxXid) ? new Set(codes) : undefined;
}

function isBrokerUrl(text: string): boolean {
  const address = parseAddress(/^https:\/\/([^/]+)\/?$/.exec(text)?.[1] ?? '');
  return address !== undefined && address.port > 0;
}

function parsePolarities(text: string): PolarityOverrides | undefined {
  const overrides = new Map<string, Polarity>();
  for (const entry of splitList(text)) {
    const [type = '', word, ...rest] = entry.split('=');
    const polarity = polarities.find((known) => known === word);
    if (!polarity || rest.length > 0 || !/^[A-Za-z][A-Za-z0-9]*$/.test(type)) return undefined;
    overrides.set(type, polarity);
  }
  return overrides;
}

/** By the names of GPUs in lower case. */
function parseComputeDevices(text: string): ReadonlyMap<string, number> | undefined {
  const devices = new Map<string, number>();
  for (const entry of splitList(text)) {
    const [, gpu, number] = /^([A-Za-z0-9_.:-]{1,253})=(\d{1,3})$/.exec(entry) ?? [];
    if (gpu === undefined || devices.has(gpu.toLowerCase())) return undefined;
    devices.set(gpu.toLowerCase(), Number(number));
  }
  return devices;
}

function parseSources(text: string): 'auto' | readonly SourceName[] | undefined {
  if (text === 'auto') return 'auto';
  const known = sourceNames.filter((name) => splitList(text).includes(name));
  return known.length > 0 && known.length === splitList(text).length ? known : undefined;
}

function splitList(text: string): string[] {
  return text === '' ? [] : text.split(',').map((item) => item.trim());
}
