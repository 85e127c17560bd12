// The metrics of jobs.
import { Counter, Histogram, type Registry } from 'prom-client';

export interface JobMetrics {
  readonly runs: Counter<'name' | 'outcome'>;
  readonly seconds: Histogram<'name'>;
}

export function jobMetrics(registry: Registry): JobMetrics {
  const registers = [registry];
  return {
    runs: new Counter({
      name: 'gpubroker_job_runs_total',
      help: 'Runs of jobs, by outcome: done or failed.',
      labelNames: ['name', 'outcome'],
      registers,
    }),
    seconds: new Histogram({
      name: 'gpubroker_job_seconds',
      help: 'Time that a run of a job took.',
      labelNames: ['name'],
      buckets: [0.01, 0.05, 0.25, 1, 5, 15, 60, 300],
      registers,
    }),
  };
}
