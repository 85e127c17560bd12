// An order for measurements, read from what somebody wrote: every field is checked here.
import { CacheError, invalidField } from '../../cache-server/errors.ts';
import { readName } from '../../cache-server/write.ts';
import { type BenchmarkName, benchmarkNames } from '../../score/figures.ts';
import { type Effort, plans } from '../verification/benchmarks.ts';
import type { MeasurementOrder } from './contract.ts';

/** More than a node has. */
const mostGpus = 256;
const efforts = Object.keys(plans) as Effort[];

/**
 * Reads an order; an empty effort is `normal`.
 *
 * @throws CacheError
 */
export function readOrder(order: {
  readonly gpus: readonly string[];
  readonly effort: string;
  readonly benchmarks: readonly string[];
}): MeasurementOrder {
  if (order.gpus.length > mostGpus) throw invalidField('gpus', order.gpus.length, `at most ${mostGpus} are`);
  const gpus = order.gpus.map((name, place) => readName(name, `gpus[${place}]`));
  const written = order.effort || 'normal';
  const effort = efforts.find((known) => known === written);
  if (!effort) throw invalidField('effort', order.effort, `one of ${efforts.join(', ')} is`);
  return { gpus, effort, benchmarks: readBenchmarks(order.benchmarks) };
}

/** In the order in which they run, each once. */
function readBenchmarks(written: readonly string[]): BenchmarkName[] {
  for (const name of written) {
    if (!benchmarkNames.some((known) => known === name)) {
      throw invalidField('benchmarks', name, `any of ${benchmarkNames.join(', ')} are`);
    }
  }
  return benchmarkNames.filter((name) => written.includes(name));
}

/** The names of an order as the cache has them, each once. @throws CacheError for one that there is not */
export function knownGpus(gpus: readonly string[], names: readonly string[]): string[] {
  const found = gpus.map((gpu) => {
    const known = names.find((name) => name.toLowerCase() === gpu.toLowerCase());
    if (known === undefined) throw new CacheError('not-found', `no GPU is named ${JSON.stringify(gpu)}`);
    return known;
  });
  return [...new Set(found)];
}
