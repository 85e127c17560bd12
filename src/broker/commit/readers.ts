// Those who want to look at the engine, and what they saw until that is durable.
import type { EngineView } from '../engine/contract.ts';
import { busy, unavailable } from './refusals.ts';

interface Reader {
  /** On the clock of `performance.now()`. */
  readonly since: number;
  /** Looks. @returns what tells the reader of it */
  look(engine: EngineView, seq: number): () => void;
  reject(error: unknown): void;
}

/** Looks that were taken at a state that may not be durable yet. */
export interface Looks {
  /** The state is durable: whoever looked is told. */
  tell(): void;
  /** It never was: they look again. */
  repeat(): void;
}

export class Readers {
  readonly #most: number;
  #waiting: Reader[] = [];
  /** Looked, and not told yet. */
  readonly #looked = new Set<readonly Reader[]>();

  constructor(most: number) {
    this.#most = most;
  }

  /** Resolves with what `look` finds; rejects with what it throws, or with a Refusal. */
  add<Value>(look: (engine: EngineView, seq: number) => Value): Promise<Value> {
    if (this.#waiting.length >= this.#most) return Promise.reject(busy(this.#waiting.length));
    return new Promise((resolve, reject) => {
      const lookSafely = (engine: EngineView, seq: number) => {
        try {
          const seen = look(engine, seq);
          return () => resolve(seen);
        } catch (error) {
          return () => reject(error);
        }
      };
      this.#waiting.push({ since: performance.now(), look: lookSafely, reject });
    });
  }

  /** Lets all who wait look at the engine. */
  look(engine: EngineView, seq: number): Looks {
    const readers = this.#waiting;
    this.#waiting = [];
    this.#looked.add(readers);
    const tells = readers.map((reader) => reader.look(engine, seq));
    return {
      tell: () => {
        this.#looked.delete(readers);
        for (const tell of tells) tell();
      },
      repeat: () => {
        this.#looked.delete(readers);
        this.#waiting = [...readers, ...this.#waiting];
      },
    };
  }

  /** Refuses those who have waited since before `then`. */
  refuseOlder(then: number): void {
    const old = [...this.#waiting, ...[...this.#looked].flat()].filter(({ since }) => since < then);
    if (old.length === 0) return;
    this.#waiting = this.#waiting.filter(({ since }) => since >= then);
    for (const { reject } of old) reject(unavailable('the market cannot be read now', 'not-done'));
  }
}
