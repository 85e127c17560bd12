// When GPUs are measured without being asked: each again once its last measurement is older than the interval, the first
// some minutes after the start, and not all machines of a fleet at once.
//
//   waiting ──time is over──▶ measuring ──all that were due are measured──▶ waiting, until the next is due
//                                │
//                                └──some could not be──▶ waiting, for a back-off
import { Backoff } from '../../daemon/backoff.ts';
import { messageOf } from '../../daemon/errors.ts';
import type { Log } from '../../daemon/logger.ts';

/** After the start, in milliseconds: what is wrong with a machine is found by then, and the rush of a reboot is over. */
const first = { least: 60_000, most: 600_000 };
/** Longest wait, in milliseconds: GPUs come and go. */
const longestWait = 3_600_000;
/** Shortest wait after GPUs that could not be measured. */
const leastWait = 60_000;
/** Of GPUs that could not be measured: they are sold, or at work. */
const backoffBounds = { first: 600_000, longest: 7_200_000 };
/** Of an interval, what is added at random. */
const jitter = 0.1;

/** What a {@link Schedule} needs. */
export interface ScheduleOptions {
  /** Between two measurements of a GPU, in milliseconds. */
  readonly interval: number;
  /** How long ago each GPU that can be measured was, in milliseconds; Infinity for never. */
  readonly ages: () => Promise<ReadonlyMap<string, number>>;
  /** Measures them; resolves with how many it did. Does not reject where one is not free. */
  readonly measure: (gpus: readonly string[]) => Promise<number>;
  readonly log: Log;
  /** From 0 to 1. */
  readonly random: () => number;
}

/** Measures GPUs from time to time, until it is stopped. */
export class Schedule {
  readonly #options: ScheduleOptions;
  readonly #backoff: Backoff;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: ScheduleOptions) {
    this.#options = options;
    this.#backoff = new Backoff(shorter(backoffBounds, options.interval), options.random);
  }

  /** Measures what is due now, and what becomes due from now on. */
  begin(): void {
    this.#wait(0);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #wait(ms: number): void {
    clearTimeout(this.#timer);
    if (!this.#stopped) this.#timer = setTimeout(() => void this.#turn(), ms).unref();
  }

  async #turn(): Promise<void> {
    let wait = longestWait;
    try {
      wait = await this.#measureDue();
    } catch (error) {
      this.#options.log.error({ reason: messageOf(error) }, 'the GPUs could not be measured');
    }
    this.#wait(wait);
  }

  /** How long to wait after it. */
  async #measureDue(): Promise<number> {
    const { interval, ages, measure, random } = this.#options;
    const due = [...(await ages())].filter(([, age]) => age >= interval).map(([gpu]) => gpu);
    if (!this.#stopped && due.length > 0 && (await measure(due)) < due.length) {
      return Math.min(leastWait, interval) + this.#backoff.next();
    }
    this.#backoff.reset();
    const oldest = Math.max(0, ...(await ages()).values());
    const left = Number.isFinite(oldest) ? interval - oldest : interval;
    return Math.min(longestWait, Math.max(left, 0) + interval * jitter * random() + 1);
  }
}

/** How long to wait after the start, in milliseconds; for a short interval no longer than that. */
export function firstWait(interval: number, random: () => number): number {
  const { least, most } = first;
  return Math.min(interval, least + random() * (most - least));
}

function shorter(bounds: typeof backoffBounds, interval: number): typeof backoffBounds {
  return { first: Math.min(bounds.first, interval), longest: Math.min(bounds.longest, 4 * interval) };
}
