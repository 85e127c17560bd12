// Measures all GPUs of a node at once: what each computes and moves while the others do the same.
//
// Their processes begin together, when all have opened their devices. They do not go in step after that, so more samples
// are taken than of a GPU alone: the median is one of those that all shared.
import { type BenchmarkName, medianOf } from '../../score/figures.ts';
import type { RunConditions } from '../../wire/gpubroker/device/v1/measurement.ts';
import { deadlines, type Effort, type Plan, plans } from '../verification/benchmarks.ts';
import { ComputeError } from '../verification/compute.ts';
import { startMeasuring } from '../verification/measuring.ts';
import type { TakenGpu } from './contract.ts';
import { resultsOf } from './measure-gpu.ts';

/** What GPUs of one node have to share: power and cooling with the one, and the host's memory on small machines. */
export const sharedBenchmarks = ['fp32', 'memory-bandwidth'] as const satisfies readonly BenchmarkName[];

/** What came of one GPU. */
export interface Together {
  readonly medians: ReadonlyMap<BenchmarkName, number>;
  readonly conditions: RunConditions | undefined;
}

/** Fewer samples could all be taken before another GPU has begun. */
const leastSamples = 7;
const leastSampleMs = 200;

/**
 * Measures them; one that fails, or is lost, is left out. Resolves when no process has any of them.
 *
 * @param stop kills all processes when it is aborted
 */
export async function measureTogether(
  all: readonly TakenGpu[],
  effort: Effort,
  stop: AbortSignal,
): Promise<ReadonlyMap<string, Together>> {
  const found = new Map<string, Together>();
  const start = new Start(all.length);
  const plan = planOf(effort);
  const measure = async (taken: TakenGpu) => {
    const arrive = start.place();
    const order = { kind: 'bench', device: taken.device, plan, names: sharedBenchmarks, waits: true } as const;
    const measuring = startMeasuring(order, deadlines[effort]);
    const begin = () => void arrive().then(() => measuring.say({ kind: 'measure' }));
    const unwatch = taken.watch();
    const medians = new Map<BenchmarkName, number>();
    try {
      for await (const result of resultsOf(measuring, taken.info, AbortSignal.any([stop, taken.lost]), begin)) {
        if ('samples' in result) medians.set(result.benchmark, medianOf(result.samples));
      }
      found.set(taken.gpu, { medians, conditions: unwatch() });
    } catch (error) {
      // Alone it is measured all the same, and what is wrong is said then.
      if (!(error instanceof ComputeError)) throw error;
    } finally {
      void arrive();
      unwatch();
    }
  };
  await Promise.all(all.map(measure));
  return found;
}

function planOf(effort: Effort): Plan {
  const { samples, sampleMs, ...rest } = plans[effort];
  return { ...rest, samples: Math.max(samples, leastSamples), sampleMs: Math.max(sampleMs, leastSampleMs) };
}

/** Where those who begin together wait for each other. */
class Start {
  readonly #all = Promise.withResolvers<void>();
  #missing: number;

  constructor(count: number) {
    this.#missing = count;
  }

  /** For each its own: says that it is there, or will never be; resolves when that is so of all. */
  place(): () => Promise<void> {
    let isThere = false;
    return () => {
      if (!isThere) this.#missing -= 1;
      isThere = true;
      if (this.#missing === 0) this.#all.resolve();
      return this.#all.promise;
    };
  }
}
