// Checks what a node reports before it is stored: times that make sense, values that their columns can hold.
import type { Sample, Telemetry } from '../../wire/gpubroker/node/v1/node_link.ts';

/** The most GPUs, MIG instances included, of which one round may tell. */
export const maxGpusPerRound = 1024;
/** The longest name of a GPU, in characters. */
export const maxGpuName = 200;
/** A clock that is off by more than this has its times corrected; milliseconds. */
export const toleratedSkew = 2_000;
/** A round may be this far in the future; milliseconds. */
export const toleratedFuture = 5 * 60_000;

const maxSmallint = 32_767;
const maxInteger = 2_147_483_647;
const maxBytes = Number.MAX_SAFE_INTEGER;

/** Why a round or a sample is not stored. */
export type DropReason = 'duplicate' | 'future' | 'no-time' | 'old' | 'refused' | 'sample' | 'unknown-node';

/** What times are judged against; milliseconds. */
export interface TimeLimits {
  readonly now: number;
  /** Rounds from before are dropped. */
  readonly oldest: number;
}

/**
 * When the round was taken by the broker's clock, in milliseconds, or why it is dropped.
 * @param skew by how many milliseconds the node's clock is ahead of the broker's.
 */
export function timeOf(round: Telemetry, skew: number, { now, oldest }: TimeLimits): number | DropReason {
  const time = round.time?.getTime();
  if (time === undefined || Number.isNaN(time)) return 'no-time';
  const at = Math.abs(skew) > toleratedSkew ? time - skew : time;
  if (at < oldest) return 'old';
  return at > now + toleratedFuture ? 'future' : at;
}

/** The samples that can be stored: with a name that a text column takes, each once, and not too many. */
export function storable(samples: readonly Sample[]): readonly Sample[] {
  if (samples.length <= maxGpusPerRound && samples.every(isNamed)) return samples;
  return samples.filter(isNamed).slice(0, maxGpusPerRound);
}

function isNamed({ gpu }: Sample): boolean {
  return gpu.length <= maxGpuName && !gpu.includes('\0');
}

/** 0 to 100; undefined stays so. */
export function percent(value: number | undefined): number | undefined {
  return value === undefined ? undefined : Math.min(value, 100);
}

export function smallint(value: number | undefined): number | undefined {
  return value === undefined ? undefined : Math.min(value, maxSmallint);
}

export function integer(value: number | undefined): number | undefined {
  return value === undefined ? undefined : Math.min(value, maxInteger);
}

/** A whole number of at most 53 bits; what is none is left out. */
export function whole(value: number | undefined): number | undefined {
  return value === undefined || !(value >= 0) ? undefined : Math.round(Math.min(value, maxBytes));
}

/** Bits that a smallint can hold: those that are known are fewer. */
export function bits(value: number | undefined): number | undefined {
  return value === undefined ? undefined : value & maxSmallint;
}

/** Bytes, exact up to 2^53 − 1. */
export function bytes(value: bigint | undefined): number | undefined {
  return value === undefined ? undefined : Math.min(Number(value), maxBytes);
}
