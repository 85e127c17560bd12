// One watcher's stream: a bounded queue above the transport's own, and the cut for a reader that does not keep up.
import { constants } from 'node:http2';
import { Metadata, type ServerWritableStream, status } from '@grpc/grpc-js';
import { type Transport, transportOf } from '../daemon/grpc-internals.ts';

/** How long a reader that was cut may take to read the rest and the status before its stream is reset. */
const resetAfterMs = 5_000;

/**
 * Feeds one stream. States:
 *
 *   open     the transport takes messages                     -- it wants no more   -> waiting
 *   waiting  messages wait: what the watch began with, then at most
 *            `queueSize` events                               -- it has drained     -> open
 *                                                             -- the queue is full  -> closed, with RESOURCE_EXHAUSTED
 *   closed   nothing more is sent; a reader that does not take the status within 5 s is reset
 */
export class StreamWatcher {
  readonly #call: ServerWritableStream<unknown, Buffer>;
  readonly #transport: Transport;
  readonly #queueSize: number;
  readonly #onClose: (code: status, dropped: number) => void;
  /** Shared with other watchers, so it is walked and never changed. */
  #first: readonly Buffer[] = [];
  #firstAt = 0;
  #queue: Buffer[] = [];
  #state: 'open' | 'waiting' | 'closed' = 'open';

  /** @param onClose called once, however the stream ends: with its code, and how many events a cut kept from it */
  constructor(
    call: ServerWritableStream<unknown, Buffer>,
    queueSize: number,
    onClose: (code: status, dropped: number) => void,
  ) {
    this.#call = call;
    this.#transport = transportOf(call);
    this.#queueSize = queueSize;
    this.#onClose = onClose;
    this.#transport.stream.on('drain', () => this.#drain());
    // 'cancelled' comes at the end of every call, however it ended.
    call.on('cancelled', () => this.#close(status.CANCELLED));
  }

  /** Sends what the watch begins with; it does not count towards the queue. */
  start(first: readonly Buffer[]): void {
    // Headers at once, so that a client knows that its watch stands before the first event comes.
    this.#call.sendMetadata(new Metadata());
    this.#first = first;
    this.#drain();
  }

  offer(event: Buffer): void {
    if (this.#state === 'open') {
      if (!this.#write(event)) this.#state = 'waiting';
    } else if (this.#state === 'waiting') {
      this.#queue.push(event);
      if (this.#queue.length > this.#queueSize) this.#cut();
    }
  }

  /** Ends the stream quietly, as a server that goes away does: the client may watch again. */
  end(): void {
    if (this.#close(status.OK)) this.#call.end();
  }

  #drain(): void {
    if (this.#state === 'closed') return;
    this.#state = 'open';
    while (this.#state === 'open') {
      const next = this.#next();
      if (next === undefined) return;
      if (!this.#write(next)) this.#state = 'waiting';
    }
  }

  #next(): Buffer | undefined {
    if (this.#firstAt < this.#first.length) {
      this.#firstAt += 1;
      return this.#first[this.#firstAt - 1];
    }
    return this.#queue.shift();
  }

  #cut(): void {
    const dropped = this.#queue.length + this.#first.length - this.#firstAt;
    if (!this.#close(status.RESOURCE_EXHAUSTED, dropped)) return;
    const { stream } = this.#transport;
    this.#transport.sendStatus({
      code: status.RESOURCE_EXHAUSTED,
      details: `the watcher reads too slowly: more than ${this.#queueSize} events waited; list again, then watch`,
    });
    setTimeout(() => {
      if (!stream.closed) stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    }, resetAfterMs).unref();
  }

  #write(frame: Buffer): boolean {
    const { stream } = this.#transport;
    // A stream that is going down tells so by 'cancelled' a little later.
    return stream.writable && stream.write(frame);
  }

  /** False when the stream was closed before. */
  #close(code: status, dropped = 0): boolean {
    if (this.#state === 'closed') return false;
    this.#state = 'closed';
    this.#first = [];
    this.#queue = [];
    this.#onClose(code, dropped);
    return true;
  }
}
