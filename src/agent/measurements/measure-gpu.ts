// Measures one GPU by itself: the benchmarks run in a process of their own, and beside each figure stands how the GPU was
// while it was taken.
import { type BenchmarkName, benchmarkNames, medianOf, units } from '../../score/figures.ts';
import type { Figure, Measurement, RunMeasurementResponse } from '../../wire/gpubroker/device/v1/measurement.ts';
import type { DeviceReadings, EccErrors } from '../devices/record.ts';
import { type BenchmarkResult, deadlines, plans } from '../verification/benchmarks.ts';
import { ComputeError, type ComputeInfo, isSameDevice } from '../verification/compute.ts';
import { type Measuring, startMeasuring } from '../verification/measuring.ts';
import type { Order } from '../verification/orders.ts';
import type { MeasurementOrder, TakenGpu } from './contract.ts';
import type { NodeGpus } from './node-gpus.ts';
import { keep, type ReadingsFeed } from './readings.ts';
import { conditionsOf, growthOf, type Span } from './run-conditions.ts';
import type { Together } from './together.ts';

/** Longest wait for the counters of errors after the last figure, in milliseconds. */
const longestWait = 5_000;

/** Where measuring a GPU finds what it needs. */
export interface MeasuringContext {
  readonly gpus: Pick<NodeGpus, 'view'>;
  readonly readings: ReadingsFeed;
  /** Between two looks at a device, in milliseconds. */
  readonly lookInterval: number;
  readonly agentVersion: string;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly newId: () => string;
}

/** A figure that was taken, or was not, and when. */
interface Taken {
  readonly result: BenchmarkResult;
  readonly span: Span;
}

/**
 * Measures a GPU that is taken, and says how it goes on. When `stop` is aborted its process is killed.
 *
 * @param together what came of it when all GPUs worked at once
 * @throws ComputeError for what failed, being stopped included; then the process is gone
 */
export async function* measureGpu(
  taken: TakenGpu,
  { effort, benchmarks }: MeasurementOrder,
  together: Together | undefined,
  context: MeasuringContext,
  stop: AbortSignal,
): AsyncGenerator<RunMeasurementResponse, Measurement> {
  const { gpus, readings, lookInterval, agentVersion, now, newId } = context;
  const { gpu, device, info } = taken;
  const names = benchmarks.length > 0 ? benchmarks : benchmarkNames;
  const { record, source } = deviceOf(gpus, gpu);
  const began = now();
  const seen: DeviceReadings[] = [];
  const unsubscribe = readings.subscribe(record.uuid, (one) => keep(seen, one));
  const errorsBefore = errorsOf(gpus, gpu);
  try {
    const order: Order = { kind: 'bench', device, plan: plans[effort], names };
    const all: Taken[] = [];
    yield progressOf(gpu, names, 0);
    for await (const result of resultsOf(startMeasuring(order, deadlines[effort]), info, stop)) {
      all.push({ result, span: { from: all.at(-1)?.span.to ?? began, to: now() } });
      yield progressOf(gpu, names, all.length);
    }
    const ended = now();
    // The driver's counters of errors are read with every look.
    if (errorsBefore) await readings.after(record.uuid, ended, Math.min(longestWait, 2 * lookInterval));
    const conditions = (span: Span) =>
      conditionsOf(seen, span, 2 * lookInterval, record.powerLimits?.enforcedMilliwatts);
    return {
      id: newId(),
      gpu,
      startTime: new Date(began),
      endTime: new Date(ended),
      effort,
      backend: info.backend,
      deviceModel: info.name,
      driverVersion: record.driverVersion ?? info.driverVersion,
      agentVersion,
      label: source === 'simulated' ? 'simulated' : 'self-reported',
      figures: [
        ...all.flatMap(({ result, span }) => figureOf(result, conditions(span))),
        ...efficiencyOf(all, together),
        ...errorFigures(errorsBefore, errorsOf(gpus, gpu)),
      ],
      unmeasured: all.flatMap(({ result }) =>
        'why' in result ? [{ name: result.benchmark, why: result.why, message: result.message }] : [],
      ),
    };
  } finally {
    unsubscribe();
  }
}

/**
 * The results of a process, which is killed when `stop` is aborted.
 *
 * @throws ComputeError also where the device is not the one that was meant, for numbers move when a device goes
 */
export async function* resultsOf(
  measuring: Measuring,
  meant: ComputeInfo,
  stop: AbortSignal,
  started: () => void = () => undefined,
): AsyncGenerator<BenchmarkResult> {
  const kill = () => measuring.stop();
  stop.addEventListener('abort', kill);
  try {
    if (stop.aborted) kill();
    for await (const report of measuring) {
      if (report.kind === 'started') {
        if (!isSameDevice(meant, report.info))
          throw new ComputeError('absent', `the device is ${report.info.name} now`);
        started();
      } else if (report.kind === 'result') yield report.result;
    }
  } finally {
    stop.removeEventListener('abort', kill);
  }
}

function deviceOf(gpus: MeasuringContext['gpus'], gpu: string) {
  const view = gpus.view(gpu);
  if (!view) throw new ComputeError('absent', 'no driver shows this GPU any more');
  return view;
}

function progressOf(gpu: string, names: readonly BenchmarkName[], done: number): RunMeasurementResponse {
  return { progress: { gpu, done, total: names.length, current: names[done] ?? '' } };
}

function figureOf(result: BenchmarkResult, conditions: Figure['conditions']): Figure[] {
  if ('why' in result) return [];
  return [{ name: result.benchmark, unit: result.unit, samples: [...result.samples], conditions }];
}

/** What is left of a GPU's speed when all work at once: of each figure, its median then by that of the GPU alone. */
function efficiencyOf(all: readonly Taken[], together: Together | undefined): Figure[] {
  const ratios = all.flatMap(({ result }) => {
    const shared = together?.medians.get(result.benchmark);
    return 'why' in result || shared === undefined ? [] : shared / medianOf(result.samples);
  });
  if (!together || ratios.length === 0) return [];
  const { conditions } = together;
  return [
    { name: 'parallel-efficiency', unit: units['parallel-efficiency'], samples: [Math.min(...ratios)], conditions },
  ];
}

function errorsOf(gpus: MeasuringContext['gpus'], gpu: string): EccErrors | undefined {
  const view = gpus.view(gpu);
  return view?.health?.eccErrors ?? view?.readings?.eccErrors;
}

function errorFigures(before: EccErrors | undefined, after: EccErrors | undefined): Figure[] {
  const counters = { 'ecc-corrected': 'volatileCorrected', 'ecc-uncorrected': 'volatileUncorrected' } as const;
  return Object.entries(counters).flatMap(([name, counter]) => {
    const grown = growthOf(counter, before, after);
    return grown === undefined ? [] : [{ name, unit: 'errors', samples: [grown] }];
  });
}
