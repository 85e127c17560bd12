// What waits for the writer: first come, first served, besides what stops the market; bounded.
import type { Result } from '../engine/commands.ts';
import type { Submission } from './contract.ts';
import { busy } from './refusals.ts';

/** A command and who waits for it. */
export interface Entry {
  readonly submission: Submission;
  /** The command as JSON: what the journal will keep. */
  readonly text: string;
  /** On the clock of `performance.now()`, in milliseconds. */
  readonly submittedAt: number;
  /** Stored alone, since a batch that it was in could not be. */
  alone: boolean;
  /** Its key is known not to be in the journal. */
  keyChecked: boolean;
  /** Done in memory; what becomes of it is not known yet. */
  done: boolean;
  /** Answered: nobody waits any more. */
  settled: boolean;
  resolve(result: Result): void;
  reject(error: unknown): void;
}

/** What a batch can still take. */
export interface Room {
  readonly entries: number;
  /** Characters. */
  readonly text: number;
}

/** These go ahead: when the market has to stop, it must not first work off what waits. */
const urgentKinds: ReadonlySet<string> = new Set(['halt', 'kill']);

export class CommandQueue {
  readonly #places: number;
  #urgent: Entry[] = [];
  #waiting: Entry[] = [];

  /** @param places for commands that wait */
  constructor(places: number) {
    this.#places = places;
  }

  get length(): number {
    return this.#urgent.length + this.#waiting.length;
  }

  /** The broker's own commands have as many places again. @throws Refusal GPUB_MARKET_BUSY */
  add(entry: Entry): void {
    const places = this.#places * (entry.submission.actor === null ? 2 : 1);
    if (this.length >= places) throw busy(this.length);
    if (urgentKinds.has(entry.submission.command.kind)) this.#urgent.push(entry);
    else this.#waiting.push(entry);
  }

  /** The next one must be stored alone. */
  get isNextAlone(): boolean {
    return this.#next[0]?.alone ?? false;
  }

  /** The next entries that fit; one at least, however long, if any waits. One that must be alone is. */
  take(room: Room): Entry[] {
    const from = this.#next;
    let text = 0;
    let count = 0;
    for (const entry of from) {
      text += entry.text.length;
      const isFull = count >= room.entries || text > room.text || entry.alone;
      if (count > 0 && isFull) break;
      count++;
      if (entry.alone) break;
    }
    return from.splice(0, count);
  }

  get #next(): Entry[] {
    return this.#urgent.length > 0 ? this.#urgent : this.#waiting;
  }

  /** Entries that were taken wait again, before all others. */
  putBack(entries: readonly Entry[]): void {
    this.#waiting = [...entries, ...this.#waiting];
  }

  /** Takes out those that have waited since before `then`. */
  takeOlder(then: number): Entry[] {
    const isOld = ({ submittedAt }: Entry) => submittedAt < then;
    const all = [...this.#urgent, ...this.#waiting];
    if (!all.some(isOld)) return [];
    this.#urgent = this.#urgent.filter((entry) => !isOld(entry));
    this.#waiting = this.#waiting.filter((entry) => !isOld(entry));
    return all.filter(isOld);
  }
}
