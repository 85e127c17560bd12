// The measurements of one session: a few under way at a time, and sent again when the broker does not answer.
import { Backoff } from '../daemon/backoff.ts';
import type { Measurement } from '../wire/gpubroker/device/v1/measurement.ts';

/** Where measurements come from. */
export interface MeasurementSource {
  /** Those that the broker has not said it has, the oldest first. */
  unsent(): readonly Measurement[];
  /** The broker has it, or will never take it. */
  stored(id: string): void;
  /** Calls the listener whenever there is one more; returns the function that ends this. */
  onNew(listener: () => void): () => void;
}

/** How many may be sent and not stored. */
const window = 4;
/** Milliseconds without an answer until they are sent again; a random time of the back-off is added. */
const leastPatience = 10_000;
const patience = { first: 30_000, longest: 900_000 };

/** What of a {@link MeasurementSource} a session sends next. */
export class MeasurementQueue {
  readonly #source: MeasurementSource;
  readonly #clock: () => number;
  readonly #backoff: Backoff;
  /** Sent, and not answered yet. */
  readonly #underWay = new Set<string>();
  /** Never answered: what waits behind them goes first. */
  readonly #unanswered = new Set<string>();
  #givenUpAt = 0;

  /**
   * @param clock milliseconds, monotonic
   * @param random from 0 to 1
   */
  constructor(source: MeasurementSource, clock: () => number, random: () => number) {
    this.#source = source;
    this.#clock = clock;
    this.#backoff = new Backoff(patience, random);
  }

  /** The next to send; undefined where there is none now. */
  next(): Measurement | undefined {
    if (this.#underWay.size > 0 && this.#clock() >= this.#givenUpAt) this.#giveUp();
    if (this.#underWay.size >= window) return undefined;
    const waiting = this.#source.unsent().filter(({ id }) => !this.#underWay.has(id));
    const next = waiting.find(({ id }) => !this.#unanswered.has(id)) ?? waiting[0];
    if (!next) return undefined;
    if (this.#unanswered.has(next.id)) this.#unanswered.clear();
    if (this.#underWay.size === 0) this.#givenUpAt = this.#clock() + leastPatience + this.#backoff.next();
    this.#underWay.add(next.id);
    return next;
  }

  /** The broker has said that it need not be sent again. */
  stored(id: string): void {
    this.#underWay.delete(id);
    this.#unanswered.delete(id);
    this.#backoff.reset();
    this.#source.stored(id);
  }

  #giveUp(): void {
    for (const id of this.#underWay) this.#unanswered.add(id);
    this.#underWay.clear();
  }
}
