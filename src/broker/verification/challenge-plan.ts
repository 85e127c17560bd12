// Which work shows that a GPU is of its product: how large, how many rounds, and how long it may take.
import { limits } from '../../proof/challenge.ts';
import { type Reference, referenceOf } from '../../score/reference.ts';
import type { Pace } from './pace.ts';

/** What a GPU of a product is asked. Times are milliseconds from the broker's word to the answer, by its clock. */
export interface ChallengePlan {
  /** Rows and columns of the matrices. */
  readonly size: number;
  /** How many products. */
  readonly rounds: number;
  /** How many rows are opened. */
  readonly places: number;
  /** How long the device is expected to work. */
  readonly expectedMs: number;
  /** A later answer does not pass. */
  readonly slowestMs: number;
  /**
   * Up to here a later answer does not fail either: what GPUs of the product take is assumed. Undefined where it is known,
   * and what is too late has failed.
   */
  readonly undecidedMs?: number;
  /** An earlier one is noted: the GPU would be better than its product can be. */
  readonly fastestMs: number;
}

/** Opened rows: a cheat that leaves out a tenth of them is found with 99.4 %. */
const places = 48;
/** A device works so long: of 3 s the broker's cost for a proof, 10 to 20 ms of processor, is less than a hundredth. */
const deviceMs = 3_000;
/**
 * What the kernels are expected to reach of the matrix units' peak for bytes, hashing included, by compute capability.
 * None has run on hardware yet: 9.0 is from a trial of the protocol on an H100 (n = 16,384, about 64 rounds a second).
 * 7.5 does without matrix units; those of 10.0 and above are slow with bytes.
 */
const shares: readonly (readonly [capability: number, share: number])[] = [
  [10, 0.1],
  [9, 0.28],
  [8, 0.4],
  [7.5, 0.15],
];
/**
 * By so much a GPU may be slower than is expected: cool or hot, power-limited or not, cards of a model differ by less than
 * a third. It is less than two, so that a GPU that does the work of two is too late.
 */
const slowestFactor = 1.5;
/** By so much a share may be wrong: what takes longer still is another GPU, or none. */
const assumedFactor = 5;
/** What does not depend on the device: the way there and back, and the processes at both ends. */
const overheadMs = 500;
/** The largest size is taken that the memory has room for, and that comes to so many rounds. */
const sizes = [16_384, 8_192, 4_096, 2_048];
const leastRounds = 8;
/** Bytes of an element of A, of B, and of the product. */
const bytesPerElement = 6;

/** Of simulated GPUs. What works for them is a processor, or whatever else is there. */
const simulatedPlan: ChallengePlan = {
  size: 512,
  rounds: 3,
  places,
  expectedMs: deviceMs,
  slowestMs: 60_000,
  fastestMs: 0,
};

/**
 * The plan for a product; undefined where nothing is known that could be asked of it.
 *
 * @param pace what its GPUs come to, where that is known
 */
export type ChallengePlans = (product: string, pace?: Pace) => ChallengePlan | undefined;

/** The plans that follow from the table of references, and from what operators know better. */
export function challengePlans(own: ReadonlyMap<string, ChallengePlan> = new Map()): ChallengePlans {
  return (product, pace) => own.get(product) ?? planOf(product, pace);
}

function planOf(product: string, pace: Pace | undefined): ChallengePlan | undefined {
  if (product.startsWith('SIM-')) return simulatedPlan;
  const reference = referenceOf(product);
  return reference && planFor(reference, shareOf(reference), pace);
}

/** Of matrix units that no kernel of ours uses nothing can be expected: GPUs without CUDA take an operator's plan. */
function planFor(reference: Reference, share: number | undefined, pace: Pace | undefined): ChallengePlan | undefined {
  if (share === undefined) return undefined;
  for (const size of sizes) {
    const peakMsPerRound = (2 * size ** 3) / (reference.peaks.int8 * 1e9);
    // What GPUs have shown asks for more than what was expected of them, never for less.
    const shownMs = pace?.size === size ? Math.max(pace.msPerRound, peakMsPerRound) : Number.POSITIVE_INFINITY;
    const msPerRound = Math.min(peakMsPerRound / share, shownMs);
    const plan = planAt(size, msPerRound, peakMsPerRound);
    const fits = size ** 2 * bytesPerElement <= (reference.memoryGb * 2 ** 30) / 2;
    if (!fits || plan.rounds < leastRounds) continue;
    return msPerRound === shownMs ? plan : { ...plan, undecidedMs: assumedFactor * plan.expectedMs + overheadMs };
  }
  return undefined;
}

/**
 * The plan for GPUs that take so long for a round of a size.
 *
 * @param peakMsPerRound what none of them can be faster than
 */
export function planAt(size: number, msPerRound: number, peakMsPerRound: number): ChallengePlan {
  const { least, most } = limits.rounds;
  const rounds = Math.min(Math.max(Math.round(deviceMs / msPerRound), least), most);
  const expectedMs = Math.round(rounds * msPerRound);
  const slowestMs = Math.round(expectedMs * slowestFactor + overheadMs);
  return { size, rounds, places, expectedMs, slowestMs, fastestMs: Math.round(rounds * peakMsPerRound) };
}

/** A plan as it is written: in an operator's file, and in evidence. */
export function writtenPlan({ size, rounds, places, expectedMs, slowestMs, undecidedMs, fastestMs }: ChallengePlan) {
  const times = { expected_ms: expectedMs, slowest_ms: slowestMs, fastest_ms: fastestMs };
  return { size, rounds, places, ...times, ...(undecidedMs !== undefined && { undecided_ms: undecidedMs }) };
}

function shareOf({ computeCapability }: Reference): number | undefined {
  if (computeCapability === undefined) return undefined;
  return shares.find(([capability]) => Number(computeCapability) >= capability)?.[1];
}
