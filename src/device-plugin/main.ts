// `gpubroker device-plugin`: offers this node's GPUs to Kubernetes, as the device API says they are.
import { type Daemon, nodeEndpoints, runDaemon } from '../daemon/daemon.ts';
import { type DevicePluginOptions, devicePluginOptions } from '../daemon/device-plugin-options.ts';
import { devicePluginSteps } from './device-plugin.ts';

const devicePlugin: Daemon<DevicePluginOptions> = {
  name: 'device-plugin',
  summary:
    "Offers this node's GPUs to the kubelet as a resource. A GPU may be used while the device API says that it is healthy, and it is not leased.",
  examples: [
    ['gpubroker device-plugin', 'Offer the NVIDIA GPUs of this node as nvidia.com/gpu'],
    ['gpubroker device-plugin --mig-strategy mixed', 'The same, with a resource for each MIG profile'],
    ['gpubroker device-plugin --resource-name amd.com/gpu', 'Offer the AMD GPUs of this node'],
  ],
  options: devicePluginOptions,
  endpoints: nodeEndpoints,
  steps: devicePluginSteps,
};

/** Runs the daemon until it is told to stop; returns its exit code. */
export function runDevicePlugin(argv: readonly string[]): Promise<number> {
  return runDaemon(devicePlugin, argv);
}
