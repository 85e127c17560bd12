// The options of `gpubroker device-plugin`.
import { cacheServerTable, maxSocketPathBytes, portRules } from './node-options.ts';
import { choice, duration, path, text, withDefaults } from './option-kinds.ts';
import { type OptionSet, type OptionValues, optionSet } from './options.ts';

const {
  'node-name': nodeName,
  'shutdown-timeout': shutdownTimeout,
  'log-format': logFormat,
  config,
} = cacheServerTable;

/** Other ports than the agent's, for both usually share a host's network. */
const shared = withDefaults(
  {
    'listen-host': cacheServerTable['listen-host'],
    'health-port': cacheServerTable['health-port'],
    'metrics-port': cacheServerTable['metrics-port'],
    'shutdown-delay': cacheServerTable['shutdown-delay'],
  },
  { 'health-port': '8082', 'metrics-port': '9091', 'shutdown-delay': '0s' },
);

const table = {
  'unix-socket': path({
    description: 'Unix socket of the device API that says which GPUs there are and how they are',
    default: '/var/run/device-api/device.sock',
    maxBytes: maxSocketPathBytes,
  }),
  'kubelet-socket': path({
    description: "The kubelet's socket for device plugins; the plugin's own sockets lie beside it",
    default: '/var/lib/kubelet/device-plugins/kubelet.sock',
    maxBytes: maxSocketPathBytes,
  }),
  'resource-name': text({
    description: 'The resource that pods ask for; its domain also says whose GPUs are offered',
    default: 'nvidia.com/gpu',
    allowed: 'the domain of a vendor, a slash and a name, for instance nvidia.com/gpu',
    check: isResourceName,
  }),
  'mig-strategy': choice({
    description:
      'What is offered of GPUs in MIG mode: none, single (every instance as resource-name) or mixed (a resource for each profile)',
    choices: ['none', 'single', 'mixed'],
    default: 'none',
  }),
  allocate: choice({
    description: 'How a container gets NVIDIA GPUs: cdi (names of CDI devices) or env (NVIDIA_VISIBLE_DEVICES)',
    choices: ['cdi', 'env'],
    default: 'cdi',
  }),
  'lost-after': duration({
    description: 'How long GPUs count as they last were when the device API is away; then all are unhealthy',
    default: '15s',
    min: '0s',
    max: '10m',
  }),
  'host-root': path({
    description: "Where the host's root file system is mounted, to find the device files of AMD and Intel GPUs",
    default: '/',
  }),
  ...shared,
  'node-name': nodeName,
  'shutdown-timeout': shutdownTimeout,
  'log-format': logFormat,
  'log-level': cacheServerTable['log-level'],
  config,
};

export type DevicePluginOptions = OptionValues<typeof table>;

/** Options of `gpubroker device-plugin`. */
export const devicePluginOptions: OptionSet<DevicePluginOptions> = optionSet(table, portRules);

/** As Kubernetes names extended resources. */
function isResourceName(name: string): boolean {
  const [domain = '', resource = '', ...rest] = name.split('/');
  const label = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/;
  return (
    rest.length === 0 &&
    domain.length <= 253 &&
    domain.includes('.') &&
    domain.split('.').every((part) => label.test(part)) &&
    /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/.test(resource)
  );
}
