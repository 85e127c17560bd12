// The metrics of the device plugin.
import { Counter, Gauge, type Registry } from 'prom-client';
import type { Knowledge } from './device-watch.ts';
import type { PluginServer } from './plugin-server.ts';

/** What the metrics show. */
interface Observed {
  readonly knowledge: () => Knowledge;
  readonly plugins: () => readonly Pick<PluginServer, 'resource' | 'offers' | 'followers'>[];
}

/** What is counted as it happens. */
export interface AttemptCounters {
  readonly registrations: Counter<'resource' | 'result'>;
  readonly allocations: Counter<'resource' | 'result'>;
}

/** Shows what is offered when somebody asks; returns the counters. */
export function observeDevicePlugin(registry: Registry, { knowledge, plugins }: Observed): AttemptCounters {
  const registers = [registry];
  new Gauge({
    name: 'gpubroker_device_plugin_devices',
    help: 'Devices that are offered to the kubelet, by whether a container may use them.',
    labelNames: ['resource', 'health'],
    registers,
    collect() {
      this.reset();
      for (const { resource, offers } of plugins()) {
        const healthy = offers.filter(({ unusable }) => unusable === '').length;
        this.set({ resource, health: 'healthy' }, healthy);
        this.set({ resource, health: 'unhealthy' }, offers.length - healthy);
      }
    },
  });
  new Gauge({
    name: 'gpubroker_device_plugin_followed',
    help: '1 while the kubelet follows the devices of the resource, else 0.',
    labelNames: ['resource'],
    registers,
    collect() {
      for (const { resource, followers } of plugins()) this.set({ resource }, followers > 0 ? 1 : 0);
    },
  });
  new Gauge({
    name: 'gpubroker_device_plugin_device_api_followed',
    help: '1 while the device API is followed, else 0.',
    registers,
    collect() {
      this.set(knowledge() === 'current' ? 1 : 0);
    },
  });
  return {
    registrations: new Counter({
      name: 'gpubroker_device_plugin_registrations_total',
      help: 'Attempts to register with the kubelet, by result.',
      labelNames: ['resource', 'result'],
      registers,
    }),
    allocations: new Counter({
      name: 'gpubroker_device_plugin_allocations_total',
      help: 'Containers that were to be given devices, by result.',
      labelNames: ['resource', 'result'],
      registers,
    }),
  };
}
