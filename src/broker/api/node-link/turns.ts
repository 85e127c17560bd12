// Lets a number of tasks run at the same time; others wait their turn, first come, first served.

export class Turns {
  readonly #most: number;
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(most: number) {
    this.#most = most;
  }

  get isBusy(): boolean {
    return this.#running >= this.#most;
  }

  async run<Value>(task: () => Promise<Value>): Promise<Value> {
    if (this.#running >= this.#most) await new Promise<void>((turn) => this.#waiting.push(turn));
    else this.#running += 1;
    try {
      return await task();
    } finally {
      // Whoever waits takes over this task's place.
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running -= 1;
    }
  }
}
