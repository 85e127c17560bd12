// Keeps a finding that comes and goes from flapping: it stays for a while after it was last seen, for longer each time
// that it returns soon, up to a bound.
import { Backoff } from '../devices/backoff.ts';

/** How long a finding stays after it was last seen, in milliseconds. */
const times = { first: 30_000, longest: 30 * 60_000 };

/** One finding that may come and go. */
export class HoldDown {
  readonly #clock: () => number;
  readonly #times: Backoff;
  #time = 0;
  #until = -Infinity;

  /** @param clock monotonic, in milliseconds */
  constructor(clock: () => number) {
    this.#clock = clock;
    this.#times = new Backoff({ ...times, clock, random: () => 1 });
  }

  /** It is there now. */
  see(): void {
    if (!this.holds()) this.#time = this.#times.next();
    this.#until = this.#clock() + this.#time;
  }

  /** Whether it still counts. */
  holds(): boolean {
    return this.#clock() < this.#until;
  }
}
