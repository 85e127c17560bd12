// The latest events, so that a watcher can resume where it stopped.
import { CacheError } from './errors.ts';

/** A bounded history of events whose versions have no gaps. */
export class History<Event extends { readonly frame: Buffer }> {
  /** A ring: the event of version `v` lies at `v % ring.length`. */
  readonly #ring: (Event | undefined)[];
  /** The version before the oldest event. */
  #floor: number;
  #version: number;
  readonly #mostBytes: number;
  #bytes = 0;

  /**
   * @param version the version of the cache now; what led there is not known
   * @param size how many events are kept
   * @param mostBytes how many bytes of events are kept; the latest one is, whatever its size
   */
  constructor(version: number, size: number, mostBytes: number) {
    this.#mostBytes = mostBytes;
    this.#version = version;
    this.#floor = version;
    this.#ring = new Array<Event | undefined>(size).fill(undefined);
  }

  /** Adds the event of the next version. */
  push(version: number, event: Event): void {
    if (version !== this.#version + 1) throw new Error(`event of version ${version} after ${this.#version}`);
    this.#version = version;
    if (version - this.#floor > this.#ring.length) this.#forgetOldest();
    this.#ring[version % this.#ring.length] = event;
    this.#bytes += event.frame.length;
    while (this.#bytes > this.#mostBytes && this.#floor < version - 1) this.#forgetOldest();
  }

  #forgetOldest(): void {
    this.#floor += 1;
    const at = this.#floor % this.#ring.length;
    this.#bytes -= this.#ring[at]?.frame.length ?? 0;
    this.#ring[at] = undefined;
  }

  /**
   * The events after a version, oldest first.
   *
   * @throws {CacheError} `out-of-range` when the version is too old or from the future
   */
  since(version: bigint): Event[] {
    if (version > BigInt(this.#version)) {
      throw new CacheError('out-of-range', `version ${version} is from the future; the cache is at ${this.#version}`);
    }
    if (version < BigInt(this.#floor)) {
      throw new CacheError('out-of-range', `version ${version} is too old; the history begins after ${this.#floor}`);
    }
    const events: Event[] = [];
    for (let v = Number(version) + 1; v <= this.#version; v += 1) {
      events.push(this.#ring[v % this.#ring.length] as Event);
    }
    return events;
  }
}
