// The metrics of the sources, under the names that users of NVIDIA's device API server know.
import { Gauge, type Registry } from 'prom-client';
import type { SourceView } from './devices/view.ts';

/** Shows the sources as they are when somebody asks. */
export function observeSources(registry: Registry, views: () => readonly SourceView[]): void {
  const nvml = () => views().find(({ name }) => name === 'nvml');
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(read());
      },
    });
  gauge('device_api_server_nvml_provider_enabled', '1 where NVML is a source, else 0.', () => (nvml() ? 1 : 0));
  gauge('device_api_server_nvml_gpu_count', 'GPUs that NVML shows.', () => nvml()?.devices ?? 0);
  gauge('device_api_server_nvml_health_monitor_running', '1 while the driver answers the probe of NVML, else 0.', () =>
    nvml()?.state === 'running' ? 1 : 0,
  );
  new Gauge({
    name: 'gpubroker_source_devices',
    help: 'Devices that a source shows.',
    labelNames: ['source'],
    registers: [registry],
    collect() {
      for (const { name, devices } of views()) this.set({ source: name }, devices);
    },
  });
  new Gauge({
    name: 'gpubroker_probe_restarts',
    help: 'How often the probe process of a source was started again.',
    labelNames: ['source'],
    registers: [registry],
    collect() {
      for (const { name, restarts } of views()) this.set({ source: name }, restarts);
    },
  });
}
