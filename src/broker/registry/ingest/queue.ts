// What waits for the writer: first come, first served, and bounded. Who finds it full waits outside, in order.

/** An entry and who waits for it. */
export interface Waiting<Entry, Value> {
  readonly entry: Entry;
  /** Bytes, roughly. */
  readonly size: number;
  resolve(value: Value): void;
  reject(error: unknown): void;
}

/** How much is taken at once, and how much may wait. */
export interface QueueLimits {
  readonly entries: number;
  readonly batchEntries: number;
  readonly batchBytes: number;
}

export class IngestQueue<Entry, Value> {
  readonly #limits: QueueLimits;
  readonly #sizeOf: (entry: Entry) => number;
  readonly #onArrival: () => void;
  #waiting: Waiting<Entry, Value>[] = [];
  #outside: (() => void)[] = [];
  /** Taken, and not settled yet. */
  #taken = 0;

  constructor(limits: QueueLimits, sizeOf: (entry: Entry) => number, onArrival: () => void) {
    this.#limits = limits;
    this.#sizeOf = sizeOf;
    this.#onArrival = onArrival;
  }

  /** How many entries wait or are being written, and how many callers wait outside. */
  get length(): number {
    return this.#waiting.length + this.#taken + this.#outside.length;
  }

  /**
   * Adds an entry. `read` makes it when there is a place for it, so that what waits outside stays as it came.
   * @throws what `read` throws, and why it was not written.
   */
  add(read: () => Entry): Promise<Value> {
    const full = this.#waiting.length + this.#taken >= this.#limits.entries;
    if (!full && this.#outside.length === 0) return this.#place(read);
    return new Promise((resolve, reject) => {
      this.#outside.push(() => this.#place(read).then(resolve, reject));
    });
  }

  /** Adds an entry of the broker's own, which needs no place. */
  addOwn(entry: Entry): Promise<Value> {
    return this.#place(() => entry);
  }

  /** The next batch; empty when nothing waits. One entry at least, however big. */
  take(): Waiting<Entry, Value>[] {
    const { batchEntries, batchBytes } = this.#limits;
    let bytes = 0;
    let count = 0;
    for (const { size } of this.#waiting) {
      if (count > 0 && (count >= batchEntries || bytes + size > batchBytes)) break;
      bytes += size;
      count++;
    }
    const batch = this.#waiting.splice(0, count);
    this.#taken += batch.length;
    return batch;
  }

  /** So many of the taken have been answered: others may come in. */
  settled(count: number): void {
    this.#taken -= count;
    this.#admit();
  }

  #admit(): void {
    while (this.#waiting.length + this.#taken < this.#limits.entries) {
      const enter = this.#outside.shift();
      if (!enter) return;
      enter();
    }
  }

  #place(read: () => Entry): Promise<Value> {
    return new Promise<Value>((resolve, reject) => {
      const entry = read();
      this.#waiting.push({ entry, size: this.#sizeOf(entry), resolve, reject });
      this.#onArrival();
    });
  }
}
