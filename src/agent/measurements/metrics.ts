// The metrics of measurements.
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { medianOf } from '../../score/figures.ts';
import type { Measurement } from '../../wire/gpubroker/device/v1/measurement.ts';

/** Told of every GPU that was to be measured. */
export interface MeasurementMetrics {
  /** @param outcome `measured`, `stopped`, or why not */
  ended(outcome: string): void;
  measured(seconds: number): void;
}

/**
 * Shows what was measured.
 *
 * @param latest the last measurement of each GPU that is there
 * @param taken how many GPUs compute for the agent now
 */
export function observeMeasurements(
  registry: Registry,
  latest: () => Iterable<Measurement>,
  taken: () => number,
): MeasurementMetrics {
  const runs = new Counter({
    name: 'gpubroker_measurement_runs_total',
    help: 'GPUs that were to be measured, by what came of it.',
    labelNames: ['outcome'],
    registers: [registry],
  });
  const seconds = new Histogram({
    name: 'gpubroker_measurement_seconds',
    help: 'How long measuring a GPU took.',
    buckets: [2, 5, 10, 20, 60, 180, 600, 1_800],
    registers: [registry],
  });
  new Gauge({
    name: 'gpubroker_measurement_figure',
    help: 'The median of each figure of the last measurement of a GPU, in the unit of the figure.',
    labelNames: ['gpu', 'figure'],
    registers: [registry],
    collect() {
      this.reset();
      for (const { gpu, figures } of latest()) {
        for (const { name, samples } of figures) this.set({ gpu, figure: name }, medianOf(samples));
      }
    },
  });
  new Gauge({
    name: 'gpubroker_gpus_computing',
    help: 'GPUs that compute for the agent now: benchmarks and proofs.',
    registers: [registry],
    collect() {
      this.set(taken());
    },
  });
  return { ended: (outcome) => runs.inc({ outcome }), measured: (took) => seconds.observe(took) };
}
