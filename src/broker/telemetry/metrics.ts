// The metrics of the telemetry store.
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { ClusterUtilization } from './cluster-utilization.ts';

export interface TelemetryMetrics {
  readonly samples: Counter;
  readonly rows: Counter;
  readonly dropped: Counter<'reason'>;
  readonly batchSeconds: Histogram;
}

/** @param queueRows how many rounds wait, asked at each scrape. */
export function telemetryMetrics(
  registry: Registry,
  queueRows: () => number,
  utilization: ClusterUtilization,
): TelemetryMetrics {
  const registers = [registry];
  new Gauge({
    name: 'gpubroker_telemetry_queue_rows',
    help: 'Rounds of telemetry that wait to be stored.',
    registers,
    collect() {
      this.set(queueRows());
    },
  });
  new Gauge({
    name: 'gpubroker_gpu_utilization',
    help: 'Share of time in which kernels ran, 0 to 1: mean over the GPUs of a cluster and the last minute.',
    labelNames: ['cluster_id'],
    registers,
    collect() {
      this.reset();
      for (const [clusterId, mean] of utilization.means()) this.set({ cluster_id: clusterId }, mean);
    },
  });
  return {
    samples: new Counter({
      name: 'gpubroker_telemetry_samples_total',
      help: 'Readings of one GPU that were stored.',
      registers,
    }),
    rows: new Counter({
      name: 'gpubroker_telemetry_rows_total',
      help: 'Rounds of one node that were stored.',
      registers,
    }),
    dropped: new Counter({
      name: 'gpubroker_telemetry_dropped_total',
      help: 'Rounds that were not stored, by reason; for the reason "sample", readings of one GPU.',
      labelNames: ['reason'],
      registers,
    }),
    batchSeconds: new Histogram({
      name: 'gpubroker_telemetry_batch_seconds',
      help: 'Time to store one batch, retries included.',
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
      registers,
    }),
  };
}
