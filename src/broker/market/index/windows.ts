// The arithmetic of the price index: what is published of a window follows from a few sums over its trades, exactly.
import type { IndexWindow } from '../../engine/commands.ts';

/** Milliseconds; windows begin at multiples of it since 1970. A trade belongs to the window of its execution. */
export const windowLength = 300_000;
/** Milliseconds after its end in which a window waits for late trades; then it is final. */
export const lateness = 60_000;

/** Sums over the trades of a product in a window. */
export interface TapeSums {
  readonly product: string;
  /** Milliseconds since 1970. */
  readonly startsAt: number;
  readonly trades: number;
  readonly gpus: number;
  readonly gpuHours: number;
  /** Of quantity × price. */
  readonly volume: bigint;
  /** Of quantity × price². */
  readonly squares: bigint;
  readonly minPrice: number;
  readonly maxPrice: number;
}

/** The beginning of the window that a time belongs to. */
export function windowAt(at: number): number {
  return Math.floor(at / windowLength) * windowLength;
}

/** Whether a window is not waited for any more. */
export function isFinalAt(startsAt: number, now: number): boolean {
  return now >= startsAt + windowLength + lateness;
}

/** What is published of a window with at least one trade. A volume beyond 2^53 − 1 is given as that. */
export function windowOf(sums: TapeSums, revision: number, final: boolean): IndexWindow {
  const { product, startsAt, trades, gpus, gpuHours, volume, squares, minPrice, maxPrice } = sums;
  const count = BigInt(gpus);
  // The variance of whole numbers as one fraction, so that nothing is rounded before the root.
  const variance = (count * squares - volume * volume) / (count * count);
  return {
    product,
    startsAt,
    revision,
    final,
    trades,
    gpus,
    gpuHours,
    volume: Number(volume > largest ? largest : volume),
    vwap: Number(volume / count),
    minPrice,
    maxPrice,
    stddev: Number(root(variance)),
  };
}

const largest = BigInt(Number.MAX_SAFE_INTEGER);

/** The square root of a whole number, rounded down: Newton's method from above. */
export function root(square: bigint): bigint {
  if (square < 2n) return square;
  let guess = 1n << BigInt(Math.ceil(square.toString(2).length / 2));
  for (;;) {
    const next = (guess + square / guess) / 2n;
    if (next >= guess) return guess;
    guess = next;
  }
}
