// What the agent, or the command line, and the measuring process say to each other: one order, what comes of it bit by
// bit, and an end. Node's IPC channel carries it, with typed arrays as they are.
import type { Place } from '../../proof/challenge.ts';
import type { Opening } from '../../proof/verify.ts';
import type { BenchmarkName } from '../../score/figures.ts';
import type { BenchmarkResult, Plan } from './benchmarks.ts';
import type { ComputeFault, ComputeInfo } from './compute.ts';
import type { Start, Work } from './proof.ts';

/** One order a process. Devices are numbered as `list` lists them. */
export type Order =
  | { readonly kind: 'list' }
  | {
      readonly kind: 'bench';
      readonly device: number;
      readonly plan: Plan;
      readonly names: readonly BenchmarkName[];
      /** Whether it waits to be told that it may begin, with the device open. */
      readonly waits?: boolean;
    }
  | { readonly kind: 'prove'; readonly device: number; readonly work: Work };

/** Said to a process that proves, each once it has done what was said before; it ends when it is killed. */
export type ProofStep =
  /** Answered by `committed`. */
  | { readonly kind: 'begin'; readonly start: Start }
  /** Which rows it is to compute once more and keep; answered by `opened`. */
  | { readonly kind: 'open'; readonly places: readonly Place[] }
  /** Which of those it is to send, by the order of the places; answered by `openings`. */
  | { readonly kind: 'rows'; readonly first: number; readonly count: number };

/** Said to a process that waits; `measure` to one that is to run benchmarks. */
export type Said = { readonly kind: 'measure' } | ProofStep;

/** What a process says. */
export type Report =
  | { readonly kind: 'devices'; readonly devices: readonly ComputeInfo[] }
  | { readonly kind: 'started'; readonly info: ComputeInfo }
  | { readonly kind: 'result'; readonly result: BenchmarkResult }
  /** Memory and kernels are ready, and the matrix of the epoch is made: the clock may start. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'committed'; readonly root: Uint8Array; readonly micros: number }
  | { readonly kind: 'opened' }
  | { readonly kind: 'openings'; readonly openings: readonly Opening[] }
  | { readonly kind: 'failed'; readonly fault: ComputeFault; readonly message: string };
