// How long to wait before the next attempt: twice as long after every failure, with jitter, up to a bound.

/** Bounds of a back-off, in milliseconds. */
export interface BackoffOptions {
  first: number;
  longest: number;
  /** Monotonic, in milliseconds. */
  clock: () => number;
  /** From 0 to 1, as `Math.random`. */
  random: () => number;
}

/** The delays of one thing that is tried again and again. It needs no reset: a long quiet time makes it start over. */
export class Backoff {
  readonly #options: BackoffOptions;
  #failures = 0;
  #quietFrom = 0;

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  /** Counts one failure and says how many milliseconds to wait, between half of the full delay and all of it. */
  next(): number {
    const { first, longest, clock, random } = this.#options;
    if (clock() > this.#quietFrom + longest) this.#failures = 0;
    const full = Math.min(longest, first * 2 ** this.#failures);
    const delay = full * (0.5 + 0.5 * random());
    this.#failures = Math.min(this.#failures + 1, 30);
    this.#quietFrom = clock() + delay;
    return delay;
  }
}
