// The watches of GpuService: where each begins and what it is sent.
import type { ServerWritableStream, status } from '@grpc/grpc-js';
import type { CacheObserver, CacheView, Change } from './cache.ts';
import { type EventType, watchEvent } from './encoding.ts';
import { History } from './history.ts';
import { limits } from './limits.ts';
import type { WatchMetrics } from './metrics.ts';
import { WatchStreams } from './watch-streams.ts';

/** Every stream that watches GPUs, and the history for those that resume. */
export class GpuWatches implements CacheObserver {
  readonly #history: History<{ type: EventType; frame: Buffer }>;
  readonly #streams: WatchStreams;
  readonly #metrics: WatchMetrics;

  /** @param version the version of the cache now */
  constructor(version: number, historySize: number, queueSize: number, metrics: WatchMetrics) {
    this.#history = new History(version, historySize, limits.historyBytes);
    this.#streams = new WatchStreams(queueSize, metrics);
    this.#metrics = metrics;
  }

  changed({ type, version, entry }: Change): void {
    const frame = watchEvent(type, entry.bytes);
    this.#history.push(version, { type, frame });
    this.#metrics.events(type, this.#streams.size);
    this.#streams.offer(frame);
  }

  /**
   * Begins a watch: an ADDED for every GPU where `after` is 0, else the events after that version; then live events.
   *
   * @param ended called once when the stream is over
   * @throws {CacheError} `out-of-range` or `exhausted`
   */
  begin(
    call: ServerWritableStream<unknown, Buffer>,
    after: bigint,
    view: CacheView,
    ended: (code: status) => void,
  ): void {
    if (after === 0n) {
      const first = view.snapshot();
      this.#streams.begin(call, first, ended);
      this.#metrics.events('ADDED', first.length);
    } else {
      const missed = this.#history.since(after);
      const first = missed.map(({ frame }) => frame);
      this.#streams.begin(call, first, ended);
      for (const { type } of missed) this.#metrics.events(type, 1);
    }
  }

  endAll(): void {
    this.#streams.endAll();
  }
}
