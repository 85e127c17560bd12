// The measurements of a node: runs one after the other, and what came of them.
import { CacheError } from '../../cache-server/errors.ts';
import type { ReportedCondition } from '../../cache-server/write.ts';
import type { Log } from '../../daemon/logger.ts';
import type { Measurement, RunMeasurementResponse } from '../../wire/gpubroker/device/v1/measurement.ts';
import { ComputeError } from '../verification/compute.ts';
import { type MeasurementOrder, type Measurements, NotFree, type TakenGpu } from './contract.ts';
import type { KeptMeasurements } from './kept-measurements.ts';
import { type MeasuringContext, measureGpu } from './measure-gpu.ts';
import type { MeasurementMetrics } from './metrics.ts';
import type { NodeGpus } from './node-gpus.ts';
import { knownGpus, readOrder } from './order.ts';
import { performanceOf } from './performance.ts';
import { measureTogether, sharedBenchmarks, type Together } from './together.ts';

/** Runs that may wait for the one that measures. */
const mostWaiting = 8;
/** Measurements that go to the broker at once. */
const mostUnsent = 64;

/** What {@link NodeMeasurements} needs. */
export interface NodeMeasurementsOptions extends MeasuringContext {
  readonly gpus: NodeGpus;
  readonly kept: KeptMeasurements;
  readonly metrics: MeasurementMetrics;
  /** Reports the condition that says how a GPU performs; undefined where too little is known. */
  readonly report: (gpu: string, condition: ReportedCondition | undefined) => void;
  readonly log: Log;
}

/** What comes of one GPU. */
type Outcome =
  | { readonly measurement: Measurement }
  | { readonly reason: string; readonly message: string }
  | 'stopped';

/** The measurements of one node. */
export class NodeMeasurements implements Measurements {
  readonly read = readOrder;
  readonly #options: NodeMeasurementsOptions;
  readonly #listeners = new Set<() => void>();
  /** Ends when every run that was asked for has. */
  #runs: Promise<void> = Promise.resolve();
  #waiting = 0;
  /** What nobody waits for: stopped when somebody does. */
  #background: { readonly stop: AbortController; readonly ended: Promise<unknown> } | undefined;

  constructor(options: NodeMeasurementsOptions) {
    this.#options = options;
  }

  async *run(order: MeasurementOrder, stop: AbortSignal): AsyncGenerator<RunMeasurementResponse> {
    const gpus = this.#meant(order);
    // A person does not wait for what nobody waits for.
    this.#background?.stop.abort();
    yield* this.#run(gpus, order, stop);
  }

  /** Measures GPUs for nobody in particular: it ends when somebody wants to measure. Returns how many were measured. */
  async runInBackground(order: MeasurementOrder): Promise<number> {
    const stop = new AbortController();
    const ended = this.#measureQuietly(order, stop.signal);
    this.#background = { stop, ended };
    return ended;
  }

  /** Ends what nobody waits for; resolves when its GPUs are given back. */
  async giveWay(): Promise<void> {
    this.#background?.stop.abort();
    await this.#background?.ended.catch(() => undefined);
  }

  list(gpu: string | undefined, limit: number): Measurement[] {
    const counts = new Map<string, number>();
    return this.#options.kept.all.toReversed().filter((one) => {
      if (gpu !== undefined && one.gpu !== gpu) return false;
      const count = (counts.get(one.gpu) ?? 0) + 1;
      counts.set(one.gpu, count);
      return limit === 0 || count <= limit;
    });
  }

  unsent(): Measurement[] {
    const { kept } = this.#options;
    return kept.all.filter((one) => !kept.isStored(one)).slice(0, mostUnsent);
  }

  stored(id: string): void {
    void this.#options.kept.markStored(id);
  }

  onNew(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #measureQuietly(order: MeasurementOrder, stop: AbortSignal): Promise<number> {
    let measured = 0;
    for await (const { measurement, notMeasured } of this.#run(order.gpus, order, stop)) {
      if (measurement) measured += 1;
      if (notMeasured) this.#options.log.info(notMeasured, 'a GPU is not measured');
    }
    return measured;
  }

  /** Says of every GPU what its measurements say. */
  judgeAll(): void {
    const { gpus, kept } = this.#options;
    for (const gpu of new Set([...gpus.names(), ...kept.all.map((one) => one.gpu)])) this.#judge(gpu);
  }

  #judge(gpu: string): void {
    const own = this.#options.kept.all.filter((one) => one.gpu === gpu);
    this.#options.report(gpu, performanceOf(own));
  }

  /** Of all GPUs, those that cannot be measured by their nature are not meant. */
  #meant({ gpus: asked }: MeasurementOrder): string[] {
    const { gpus } = this.#options;
    const names = gpus.names();
    if (asked.length > 0) return knownGpus(asked, names);
    return names.filter((name) => gpus.view(name)?.record.parent === undefined);
  }

  async *#run(
    gpus: readonly string[],
    order: MeasurementOrder,
    stop: AbortSignal,
  ): AsyncGenerator<RunMeasurementResponse> {
    const end = await this.#turn(stop);
    try {
      const together = await this.#together(gpus, order, stop);
      for (const gpu of gpus) {
        const outcome = yield* this.#measure(gpu, order, together.get(gpu), stop);
        this.#count(outcome);
        if (outcome === 'stopped') return;
        if ('measurement' in outcome) yield { measurement: await this.#keep(outcome.measurement) };
        else yield { notMeasured: { gpu, ...outcome } };
      }
    } finally {
      end();
    }
  }

  /** Waits until no other run measures; returns what ends this one's turn. */
  async #turn(stop: AbortSignal): Promise<() => void> {
    if (this.#waiting >= mostWaiting) {
      throw new CacheError('exhausted', `${mostWaiting} measurements wait already: try again later`);
    }
    const before = this.#runs;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#runs = before.then(() => promise);
    this.#waiting += 1;
    const stopped = Promise.withResolvers<void>();
    stop.addEventListener('abort', () => stopped.resolve(), { once: true });
    if (!stop.aborted) await Promise.race([before, stopped.promise]);
    this.#waiting -= 1;
    return resolve;
  }

  /** All that are free at once, where there are several and the order asks for what shows what they share. */
  async #together(
    gpus: readonly string[],
    { effort, benchmarks }: MeasurementOrder,
    stop: AbortSignal,
  ): Promise<ReadonlyMap<string, Together>> {
    const isMeant = benchmarks.length === 0 || sharedBenchmarks.every((name) => benchmarks.includes(name));
    if (gpus.length < 2 || !isMeant || stop.aborted) return new Map();
    // Those that are not free are said so when their turn comes.
    const taken = await Promise.all(gpus.map((gpu) => this.#take(gpu)));
    const free = taken.flatMap((one) => (one instanceof NotFree ? [] : [one]));
    try {
      return free.length < 2 ? new Map() : await measureTogether(free, effort, stop);
    } finally {
      for (const one of free) one.release();
    }
  }

  async #take(gpu: string): Promise<TakenGpu | NotFree> {
    try {
      return await this.#options.gpus.take(gpu);
    } catch (error) {
      if (error instanceof NotFree) return error;
      throw error;
    }
  }

  async *#measure(
    gpu: string,
    order: MeasurementOrder,
    together: Together | undefined,
    stop: AbortSignal,
  ): AsyncGenerator<RunMeasurementResponse, Outcome> {
    if (stop.aborted) return 'stopped';
    const taken = await this.#take(gpu);
    if (taken instanceof NotFree) return reasonOf(taken);
    const began = performance.now();
    try {
      if (stop.aborted) return 'stopped';
      const ending = AbortSignal.any([stop, taken.lost]);
      const measurement = yield* measureGpu(taken, order, together, this.#options, ending);
      this.#options.metrics.measured((performance.now() - began) / 1000);
      return { measurement };
    } catch (error) {
      if (taken.lost.aborted) return reasonOf(taken.lost.reason as NotFree);
      if (stop.aborted) return 'stopped';
      if (!(error instanceof ComputeError)) throw error;
      return { reason: error.fault === 'busy' ? 'busy' : 'failed', message: error.message };
    } finally {
      taken.release();
    }
  }

  /** Keeps it, and says what follows from it. */
  async #keep(measurement: Measurement): Promise<Measurement> {
    const { kept, log } = this.#options;
    const { gpu, effort, startTime, endTime } = measurement;
    const seconds = ((endTime?.getTime() ?? 0) - (startTime?.getTime() ?? 0)) / 1000;
    log.info({ gpu, effort, seconds, unmeasured: measurement.unmeasured }, 'a GPU was measured');
    await kept.add(measurement);
    this.#judge(gpu);
    for (const listener of this.#listeners) listener();
    return measurement;
  }

  #count(outcome: Outcome): void {
    const { metrics } = this.#options;
    if (outcome === 'stopped') metrics.ended('stopped');
    else metrics.ended('measurement' in outcome ? 'measured' : outcome.reason);
  }
}

function reasonOf({ reason, message }: NotFree) {
  return { reason, message };
}
