// The metrics of the sources, under the names that users of NVIDIA's device API server know, and of the GPUs' health.
import { Counter, Gauge, type Registry } from 'prom-client';
import type { ReportedCondition } from '../cache-server/write.ts';
import type { SourceView } from './devices/view.ts';
import type { HealthBookOptions } from './health/health-book.ts';
import type { Missing } from './health/missing-gpus.ts';
import { xids } from './health/xids.ts';

/** Shows the sources as they are when somebody asks. */
export function observeSources(
  registry: Registry,
  views: () => readonly SourceView[],
  healthChecks: 'on' | 'off',
): void {
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
  gauge(
    'device_api_server_nvml_health_monitor_running',
    '1 while the driver answers the probe of NVML and health checks are on, else 0.',
    () => (nvml()?.state === 'running' && healthChecks === 'on' ? 1 : 0),
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

/** Counts XIDs; those that the catalog does not list share one label, for a driver may say any number. */
export function countXids(registry: Registry): HealthBookOptions['onXid'] {
  const counter = new Counter({
    name: 'gpubroker_xid_events_total',
    help: 'XIDs that were reported, by code and by what followed.',
    labelNames: ['xid', 'class'],
    registers: [registry],
  });
  return (code, found) => counter.inc({ xid: xids.has(code) ? code : 'other', class: found });
}

/** Shows the health of the GPUs as it is when somebody asks. */
export function observeHealth(
  registry: Registry,
  conditions: () => Iterable<ReportedCondition>,
  missing: () => Missing,
): void {
  new Gauge({
    name: 'gpubroker_gpu_conditions',
    help: 'GPUs of which the agent reports a condition, by type, reason and status.',
    labelNames: ['type', 'reason', 'status'],
    registers: [registry],
    collect() {
      this.reset();
      for (const { type, reason, status } of conditions()) this.inc({ type, reason, status });
    },
  });
  new Gauge({
    name: 'gpubroker_gpus_missing',
    help: 'GPUs that should be there: seen before by the agent, or shown by the PCI bus but not by their driver.',
    labelNames: ['seen'],
    registers: [registry],
    collect() {
      const { gone, unshown } = missing();
      this.set({ seen: 'before' }, gone.length);
      this.set({ seen: 'pci' }, unshown.length);
    },
  });
}
