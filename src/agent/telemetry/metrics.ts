// The devices' telemetry for Prometheus. A series is made of the latest readings when somebody asks, and only of those
// that are there: nothing is kept between two scrapes, so what is gone leaves nothing behind.
import { Counter, Gauge, type Registry } from 'prom-client';
import { type DcgmMetric, dcgmMetrics } from './dcgm-metrics.ts';
import type { LatestDevice, LatestDevices } from './latest-devices.ts';

/** The labels of every series: ours, then those by which dcgm-exporter says the same. */
const labelNames = [
  'uuid',
  'index',
  'model',
  'node',
  'mig',
  'UUID',
  'gpu',
  'modelName',
  'Hostname',
  'GPU_I_ID',
  'GPU_I_PROFILE',
] as const;

type Labels = Partial<Record<(typeof labelNames)[number], string | number>>;

const kinds = { gauge: Gauge, counter: Counter };

/** Shows the telemetry of all devices of a node. */
export function observeDevices(registry: Registry, devices: LatestDevices, node: string): void {
  for (const { name, help, type, read } of dcgmMetrics) {
    const metric = new kinds[type]({ name, help, labelNames, registers: [registry] });
    const described = metric.get.bind(metric);
    // In the place of the series that a metric remembers, which every scrape would have to forget, hash and store anew.
    metric.get = async () => ({ ...(await described()), values: seriesOf(devices, node, read) });
  }
}

function seriesOf(devices: LatestDevices, node: string, read: DcgmMetric['read']): { labels: Labels; value: number }[] {
  const series = [];
  for (const device of devices) {
    const value = read(device);
    if (value !== undefined) series.push({ labels: labelsOf(device, node), value });
  }
  return series;
}

/** A label without a value is left out. */
function labelsOf({ view, gpuIndex }: LatestDevice, node: string): Labels {
  const { uuid, record } = view;
  const { parent, migInstance, model } = record;
  return {
    uuid,
    index: record.index,
    ...(model !== undefined && { model, modelName: model }),
    node,
    Hostname: node,
    // As in dcgm-exporter, a MIG instance has the identity of its GPU there.
    UUID: parent ?? uuid,
    gpu: gpuIndex,
    ...(migInstance && { mig: migInstance.profile ?? migInstance.gpuInstance, GPU_I_ID: migInstance.gpuInstance }),
    ...(migInstance?.profile !== undefined && { GPU_I_PROFILE: migInstance.profile }),
  };
}
