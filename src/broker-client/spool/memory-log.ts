// A log in memory alone, for nodes that need not survive a restart: those of the load generator.
import type { Message, MessageLog, ReadLimit } from './log.ts';

/** Keeps at most so many bytes; the oldest messages are dropped first. */
export class MemoryLog implements MessageLog {
  last = 0n;
  bytes = 0;
  dropped = 0;
  readonly #most: number;
  readonly #sendable: () => void;
  #messages: Message[] = [];

  constructor(mostBytes: number, sendable: () => void) {
    this.#most = mostBytes;
    this.#sendable = sendable;
  }

  get sendable(): bigint {
    return this.last;
  }

  get first(): bigint {
    return this.#messages[0]?.sequence ?? this.last + 1n;
  }

  append(payload: Buffer): bigint {
    this.last += 1n;
    this.#messages.push({ sequence: this.last, payload });
    this.bytes += payload.length;
    while (this.bytes > this.#most && this.#messages.length > 1) {
      this.#remove(1);
      this.dropped += 1;
    }
    this.#sendable();
    return this.last;
  }

  async read(after: bigint, limit: ReadLimit): Promise<readonly Message[]> {
    const start = this.#indexBehind(after);
    return withinBytes(this.#messages.slice(start, start + limit.messages), limit.bytes);
  }

  trim(through: bigint): void {
    this.#remove(this.#indexBehind(through));
  }

  clear(): void {
    this.dropped += this.#messages.length;
    this.#remove(this.#messages.length);
  }

  async close(): Promise<void> {}

  #indexBehind(sequence: bigint): number {
    const index = this.#messages.findIndex((message) => message.sequence > sequence);
    return index === -1 ? this.#messages.length : index;
  }

  #remove(count: number): void {
    for (const { payload } of this.#messages.splice(0, count)) this.bytes -= payload.length;
  }
}

/** The first messages that together are no longer than `bytes`; one at least. */
export function withinBytes(messages: readonly Message[], bytes: number): readonly Message[] {
  let sum = 0;
  const end = messages.findIndex(({ payload }, i) => {
    sum += payload.length;
    return i > 0 && sum > bytes;
  });
  return end === -1 ? messages : messages.slice(0, end);
}
