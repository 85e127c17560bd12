// The freshness lock: a read-write lock in ticket order, so that no read overtakes a write that was accepted before it.
//
// Arrivals form a queue of groups: adjacent reads run together, adjacent writes are stored as one group.
//
//   idle    nothing runs and nothing waits: a read runs at once, in the caller's own turn (the fast path);
//           a write starts storing at once                                                    -> storing
//   storing one group of writes is being stored; whoever arrives takes a place in the queue:
//           in its last group if that is of the same kind, else in a new one
//           when the group is stored, the next group runs: reads all at once, then the group after them;
//           writes again                                                                      -> storing
//           nothing waits                                                                     -> idle
//
// With W1 being stored and W2 waiting, a read R takes its place behind W2, and a later W3 behind R: R sees W2 and does
// not wait for W3. Reads are synchronous, so only writes ever hold the lock across turns of the event loop. Neither
// side starves: every group ahead in the queue is finite, and nobody joins a group that is not the last.

type Waiting<T> = { item: T; since: number };
type Group<W> = { kind: 'reads'; waiting: Waiting<() => void>[] } | { kind: 'writes'; waiting: Waiting<W>[] };

/** What a {@link FreshnessLock} needs. */
export interface FreshnessLockOptions<W> {
  /** Stores and applies one group. Synchronous when it returns nothing. */
  store: (writes: readonly W[]) => Promise<void> | undefined;
  /** How many writes may wait. */
  maxWaitingWrites: number;
  /** Told how long each read and write that had to wait did so, in seconds. */
  onWait: (seconds: number) => void;
  /** Told of a read or a store that threw: a fault of the program, after which the lock goes on. */
  onError: (error: unknown) => void;
  /** A monotonic clock in milliseconds. */
  clock: () => number;
}

/** A read-write lock whose reads see every write accepted before them, and wait for no later one. */
export class FreshnessLock<W> {
  readonly #options: FreshnessLockOptions<W>;
  readonly #queue: Group<W>[] = [];
  #storing = false;
  #waitingWrites = 0;

  constructor(options: FreshnessLockOptions<W>) {
    this.#options = options;
  }

  /** Runs `run` as soon as every write accepted before this call is stored: now, if there is none. */
  read(run: () => void): void {
    if (!this.#storing) {
      run();
      return;
    }
    const place = { item: run, since: this.#options.clock() };
    const last = this.#queue.at(-1);
    if (last?.kind === 'reads') last.waiting.push(place);
    else this.#queue.push({ kind: 'reads', waiting: [place] });
  }

  /** Accepts a write; false, and nothing happens, when too many writes wait already. */
  write(write: W): boolean {
    if (!this.#storing) {
      this.#store([write]);
      return true;
    }
    if (this.#waitingWrites >= this.#options.maxWaitingWrites) return false;
    this.#waitingWrites += 1;
    const place = { item: write, since: this.#options.clock() };
    const last = this.#queue.at(-1);
    if (last?.kind === 'writes') last.waiting.push(place);
    else this.#queue.push({ kind: 'writes', waiting: [place] });
    return true;
  }

  #store(writes: readonly W[]): void {
    this.#storing = true;
    if (!this.#begin(writes)) this.#advance();
  }

  /** Begins to store a group; false when it is done already. */
  #begin(writes: readonly W[]): boolean {
    const { store, onError } = this.#options;
    try {
      const stored = store(writes);
      stored?.catch(onError).then(() => this.#advance());
      return stored !== undefined;
    } catch (error) {
      onError(error);
      return false;
    }
  }

  /** The group in the front has been stored: the reads behind it run, then the next writes are stored. */
  #advance(): void {
    for (;;) {
      const group = this.#queue.shift();
      if (group === undefined) {
        this.#storing = false;
        return;
      }
      this.#reportWaits(group.waiting);
      if (group.kind === 'reads') {
        for (const { item: run } of group.waiting) this.#run(run);
        continue;
      }
      this.#waitingWrites -= group.waiting.length;
      if (this.#begin(group.waiting.map(({ item }) => item))) return;
    }
  }

  #run(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#options.onError(error);
    }
  }

  #reportWaits(waiting: readonly Waiting<unknown>[]): void {
    const now = this.#options.clock();
    for (const { since } of waiting) this.#options.onWait((now - since) / 1000);
  }
}
