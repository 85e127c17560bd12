// Those who want to look at the engine, until it holds nothing that is not durable.
import type { EngineView } from '../engine/contract.ts';
import { busy, unavailable } from './refusals.ts';

interface Reader {
  /** On the clock of `performance.now()`. */
  readonly since: number;
  look(engine: EngineView): void;
  reject(error: unknown): void;
}

export class Readers {
  readonly #most: number;
  #waiting: Reader[] = [];

  constructor(most: number) {
    this.#most = most;
  }

  /** Resolves with what `look` finds; rejects with what it throws, or with a Refusal. */
  add<Value>(look: (engine: EngineView) => Value): Promise<Value> {
    if (this.#waiting.length >= this.#most) return Promise.reject(busy(this.#waiting.length));
    return new Promise((resolve, reject) => {
      const lookSafely = (engine: EngineView) => {
        try {
          resolve(look(engine));
        } catch (error) {
          reject(error);
        }
      };
      this.#waiting.push({ since: performance.now(), look: lookSafely, reject });
    });
  }

  look(engine: EngineView): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const reader of waiting) reader.look(engine);
  }

  /** Refuses those who have waited since before `then`. */
  refuseOlder(then: number): void {
    const old = this.#waiting.filter(({ since }) => since < then);
    if (old.length === 0) return;
    this.#waiting = this.#waiting.filter(({ since }) => since >= then);
    for (const { reject } of old) reject(unavailable('the market cannot be read now', 'not-done'));
  }
}
