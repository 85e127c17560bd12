// What the parts of the agent may ask of measurements: runs, what is kept of them, and GPUs to compute on.
import type { BenchmarkName } from '../../score/figures.ts';
import type { Measurement, RunConditions, RunMeasurementResponse } from '../../wire/gpubroker/device/v1/measurement.ts';
import type { Effort } from '../verification/benchmarks.ts';
import type { ComputeInfo } from '../verification/compute.ts';

/** What is to be measured. */
export interface MeasurementOrder {
  /** Their names; none for every one that is free. */
  readonly gpus: readonly string[];
  readonly effort: Effort;
  /** Which figures; none for all. */
  readonly benchmarks: readonly BenchmarkName[];
}

/** The measurements of this node. */
export interface Measurements {
  /**
   * Reads an order as somebody writes it.
   *
   * @throws CacheError for an effort or a benchmark that does not exist, or too many GPUs
   */
  read(order: {
    readonly gpus: readonly string[];
    readonly effort: string;
    readonly benchmarks: readonly string[];
  }): MeasurementOrder;
  /**
   * Measures, and gives news until all is done. When `signal` is aborted, or nobody reads on, it ends early: its processes
   * are killed, and what they had of the GPUs is free.
   *
   * @throws CacheError (from the iterator) for a GPU that does not exist
   */
  run(order: MeasurementOrder, signal: AbortSignal): AsyncIterable<RunMeasurementResponse>;
  /**
   * What is kept, the newest first.
   *
   * @param gpu a name; all GPUs where it is undefined
   * @param limit at most so many of each GPU; 0 for all
   */
  list(gpu: string | undefined, limit: number): Measurement[];
  /** Those that the broker has not said it has, the oldest first; so many at most that they may go at once. */
  unsent(): Measurement[];
  /** The broker has it. */
  stored(id: string): void;
  /** Calls the listener whenever there is one more; returns the function that ends this. */
  onNew(listener: () => void): () => void;
}

/** Why a GPU may not compute for the agent now. */
export type NotFreeReason =
  /** It is sold, a pod holds it, or nobody can say. */
  | 'held'
  /** Something computes on it, or the agent itself does already. */
  | 'busy'
  /** It does not answer, or is not well. */
  | 'unhealthy'
  /** No compute library shows it. */
  | 'unsupported';

/** Thrown for a GPU that is not free; also the reason with which {@link TakenGpu.lost} is aborted. */
export class NotFree extends Error {
  override readonly name = 'NotFree';
  readonly reason: NotFreeReason;

  constructor(reason: NotFreeReason, message: string) {
    super(message);
    this.reason = reason;
  }
}

/** The GPUs of the node that may compute for the agent; benchmarks and proofs take them from here, never both one. */
export interface FreeGpus {
  /**
   * Takes a GPU by its name.
   *
   * @throws NotFree (as a rejection)
   */
  take(gpu: string): Promise<TakenGpu>;
}

/** A GPU that computes for the agent until it is released. */
export interface TakenGpu {
  readonly gpu: string;
  /** Its number, as orders to the measuring process have it. */
  readonly device: number;
  /** What the device said of itself when it was listed. */
  readonly info: ComputeInfo;
  /**
   * Aborted with a {@link NotFree} as soon as somebody else wants the GPU: it is sold, a pod holds it, a foreign process
   * computes, it is gone, the agent stops. The measuring process must be stopped in the same turn.
   */
  readonly lost: AbortSignal;
  /** Begins to watch the GPU; the function that it returns ends this, and says how the GPU was. */
  watch(): () => RunConditions | undefined;
  /** To be called once no process of ours has the GPU any more. Does nothing the second time. */
  release(): void;
}

/** Both, loaded when they are first asked for: an idle agent is to be small. */
export interface MeasurementsAccess {
  measurements(): Promise<Measurements>;
  freeGpus(): Promise<FreeGpus>;
}
