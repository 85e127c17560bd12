// When whose GPUs are challenged: at times that nobody can guess, and soon when there is a GPU that never was.
//
// The waits are exponential, so that the time since the last challenge says nothing about the next one, and so that a
// broker that starts anew needs to remember nothing.

/** How much there is to challenge of a provider. */
export interface Load {
  readonly nodes: number;
  /** A GPU was never challenged. */
  readonly isNew: boolean;
}

export interface ScheduleOptions {
  /** Milliseconds from one challenge of a GPU to the next, on average. */
  readonly interval: number;
  /** Nodes that one round takes. */
  readonly nodesOfRound: number;
  /** From 0 to 1, without 1; nobody can guess it. */
  readonly random: () => number;
}

/** What is new waits at most so long: for the others of its node, and of its provider, to appear. Milliseconds. */
export const soon = 2 * 60_000;
/** No wait is longer than so many average ones. */
const longest = 3;

interface Wait {
  at: number;
  /** It is short already. */
  hurried: boolean;
}

export class Schedule {
  readonly #options: ScheduleOptions;
  readonly #waits = new Map<string, Wait>();

  constructor(options: ScheduleOptions) {
    this.#options = options;
  }

  /**
   * The providers that are due. One stays due until {@link began}.
   *
   * @param now milliseconds
   * @param loads of every provider that can be challenged; the others are forgotten
   */
  due(now: number, loads: ReadonlyMap<string, Load>): string[] {
    for (const id of this.#waits.keys()) if (!loads.has(id)) this.#waits.delete(id);
    for (const [id, load] of loads) {
      if (!this.#waits.has(id)) this.began(id, now, load);
      if (load.isNew) this.hurry(id, now);
    }
    return [...this.#waits].filter(([, { at }]) => at <= now).map(([id]) => id);
  }

  /** A round has begun: when is the next? A provider of more nodes than a round takes is due more often. */
  began(id: string, now: number, { nodes }: Load): void {
    const { interval, nodesOfRound, random } = this.#options;
    const mean = interval / Math.max(1, Math.ceil(nodes / nodesOfRound));
    const wait = Math.min(-Math.log(1 - random()) * mean, longest * mean);
    this.#waits.set(id, { at: now + wait, hurried: false });
  }

  /** Brings the next round near. */
  hurry(id: string, now: number): void {
    const wait = this.#waits.get(id);
    if (!wait || wait.hurried) return;
    wait.hurried = true;
    wait.at = Math.min(wait.at, now + this.#options.random() * soon);
  }
}
