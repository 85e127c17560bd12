// The driver's events and the kernel's log tell of the same XIDs: whichever comes second is no news.
import type { DeviceEvent } from '../devices/source.ts';

/** Who reports an XID. */
export type Witness = 'driver' | 'kernel log';

/** How far apart the two may tell of the same one, in milliseconds. */
const TOGETHER_MS = 10_000;
/** XIDs that are remembered; the oldest are forgotten. */
const MAX_REPORTS = 1_024;

/** What was reported lately, and by whom. */
export class Witnesses {
  readonly #clock: () => number;
  readonly #reports = new Map<string, { readonly by: Witness; readonly at: number }>();

  /** @param clock monotonic, in milliseconds */
  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** Takes a report; false where the other witness has told of the same just now. One that tells twice is believed. */
  isFirst(by: Witness, { uuid = '', data }: DeviceEvent): boolean {
    const key = `${uuid.toLowerCase()} ${data}`;
    const now = this.#clock();
    const earlier = this.#reports.get(key);
    if (earlier && earlier.by !== by && now - earlier.at <= TOGETHER_MS) return false;
    this.#reports.delete(key);
    this.#reports.set(key, { by, at: now });
    const oldest = this.#reports.keys().next();
    if (this.#reports.size > MAX_REPORTS && !oldest.done) this.#reports.delete(oldest.value);
    return true;
  }
}
