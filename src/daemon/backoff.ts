// How long to wait before the next attempt: anything from nothing to a bound that doubles, so that many who lost the same
// server together do not come back together.

/** Bounds, in milliseconds. */
export interface BackoffBounds {
  readonly first: number;
  readonly longest: number;
}

/** Counts failures in a row. */
export class Backoff {
  readonly #bounds: BackoffBounds;
  readonly #random: () => number;
  #failures = 0;

  /** @param random from 0 to 1, as Math.random */
  constructor(bounds: BackoffBounds, random: () => number) {
    this.#bounds = bounds;
    this.#random = random;
  }

  /** Counts a failure and says how many milliseconds to wait. */
  next(): number {
    const { first, longest } = this.#bounds;
    const most = Math.min(longest, first * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 30);
    return Math.round(most * this.#random());
  }

  /** All went well for long enough. */
  reset(): void {
    this.#failures = 0;
  }
}
