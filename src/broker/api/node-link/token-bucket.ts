// How often somebody may do something: so many at once, and so many more as time goes by.

/** One allowance. It has no clock of its own: times are milliseconds that its caller gives, and never go back far. */
export class TokenBucket {
  readonly #burst: number;
  readonly #perMs: number;
  #left: number;
  #at: number;

  constructor(burst: number, perSecond: number, now: number) {
    this.#burst = burst;
    this.#perMs = perSecond / 1000;
    this.#left = burst;
    this.#at = now;
  }

  /** False when nothing is left. */
  take(now: number): boolean {
    this.#fill(now);
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }

  /** What was taken last shall not count. */
  giveBack(): void {
    this.#left = Math.min(this.#burst, this.#left + 1);
  }

  /** Whether it is as it was when it was new. */
  isFull(now: number): boolean {
    this.#fill(now);
    return this.#left >= this.#burst;
  }

  #fill(now: number): void {
    const passed = Math.max(0, now - this.#at);
    this.#left = Math.min(this.#burst, this.#left + passed * this.#perMs);
    this.#at = now;
  }
}

/** An allowance for each of many, of whom the longest unseen are forgotten when there are too many. */
export class TokenBuckets {
  readonly #burst: number;
  readonly #perSecond: number;
  readonly #most: number;
  readonly #buckets = new Map<string, TokenBucket>();

  constructor(burst: number, perSecond: number, most: number) {
    this.#burst = burst;
    this.#perSecond = perSecond;
    this.#most = most;
  }

  take(name: string, now: number): boolean {
    const bucket = this.#buckets.get(name) ?? new TokenBucket(this.#burst, this.#perSecond, now);
    // The order of a Map is that of insertion: what was seen last stands last.
    this.#buckets.delete(name);
    this.#buckets.set(name, bucket);
    if (this.#buckets.size > this.#most) {
      for (const oldest of this.#buckets.keys()) {
        this.#buckets.delete(oldest);
        break;
      }
    }
    return bucket.take(now);
  }

  giveBack(name: string): void {
    this.#buckets.get(name)?.giveBack();
  }

  /** Forgets those that have all of their allowance back. */
  prune(now: number): void {
    for (const [name, bucket] of this.#buckets) if (bucket.isFull(now)) this.#buckets.delete(name);
  }

  get size(): number {
    return this.#buckets.size;
  }
}
