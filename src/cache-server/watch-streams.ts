// The streams that watch one kind of event: every event goes to all of them, encoded once.
import type { ServerWritableStream, status } from '@grpc/grpc-js';
import { CacheError } from './errors.ts';
import { limits } from './limits.ts';
import { StreamWatcher } from './stream-watcher.ts';

/** Told of every stream and what became of it. */
export interface StreamObserver {
  streamOpened(): void;
  /** `dropped` events were kept from a reader that was too slow. */
  streamClosed(dropped: number): void;
}

/** A set of streams. */
export class WatchStreams {
  readonly #streams = new Set<StreamWatcher>();
  readonly #queueSize: number;
  readonly #observer: StreamObserver;
  #over = false;

  constructor(queueSize: number, observer: StreamObserver) {
    this.#queueSize = queueSize;
    this.#observer = observer;
  }

  get size(): number {
    return this.#streams.size;
  }

  /**
   * Begins a stream: `first`, then every event from now on.
   *
   * @param ended called once when the stream is over
   * @throws {CacheError} `exhausted` when too many watch
   */
  begin(call: ServerWritableStream<unknown, Buffer>, first: readonly Buffer[], ended: (code: status) => void): void {
    if (this.#streams.size >= limits.watchers) {
      throw new CacheError('exhausted', `${limits.watchers} streams watch already, which is the limit`);
    }
    const stream = new StreamWatcher(call, this.#queueSize, (code, dropped) => {
      this.#streams.delete(stream);
      this.#observer.streamClosed(dropped);
      ended(code);
    });
    this.#streams.add(stream);
    this.#observer.streamOpened();
    stream.start(first);
    // It was waiting for a write when all others were ended.
    if (this.#over) stream.end();
  }

  offer(event: Buffer): void {
    for (const stream of this.#streams) stream.offer(event);
  }

  /** Ends every stream quietly, also those that are still to begin, as a server that goes away does. */
  endAll(): void {
    this.#over = true;
    for (const stream of this.#streams) stream.end();
  }
}
