// How much a counter grows within a minute, against a bound.

const WINDOW_MS = 60_000;

/** One counter of errors that counts up, and begins again when the driver is loaded. */
export class Growth {
  readonly #bound: number;
  #count: number | undefined;
  /** Where the minute began. */
  #from = { count: 0, at: -Infinity };

  /** @param bound what it may grow by within a minute */
  constructor(bound: number) {
    this.#bound = bound;
  }

  /**
   * Takes the count; true where it has grown by more than the bound, now and within this minute.
   *
   * @param now monotonic, in milliseconds
   */
  exceeds(count: number | undefined, now: number): boolean {
    if (count === undefined) return false;
    const before = this.#count;
    this.#count = count;
    const began = before === undefined || count < before;
    if (began) this.#from = { count, at: now };
    else if (now - this.#from.at > WINDOW_MS) this.#from = { count: before, at: now };
    return !began && count > before && count - this.#from.count > this.#bound;
  }
}
