// Rounds that wait to be stored: bounded in number and bytes; who adds beyond that waits, first come, first served.
import type { Telemetry } from '../../wire/gpubroker/node/v1/node_link.ts';
import type { Entry } from './batch.ts';

/** What one call of `add` brought; resolved when all of it has been dealt with. */
export interface Delivery {
  readonly nodeId: string;
  readonly spoolId: string | undefined;
  readonly rounds: readonly Telemetry[];
  /** How many of its rounds have not been dealt with. */
  left: number;
  readonly bytes: number;
  readonly done: PromiseWithResolvers<void>;
}

/** A round in a batch, with the delivery that it came in. */
export interface QueuedEntry extends Entry {
  readonly delivery: Delivery;
}

export interface QueueLimits {
  readonly rows: number;
  readonly bytes: number;
}

/** What a round and a sample take in memory while they wait, roughly, in bytes. */
const roundBytes = 300;
const sampleBytes = 250;
/** A batch ends with the round that reaches this: about 6 MB on the wire. */
const maxBatchSamples = 65_536;

export class TelemetryQueue {
  readonly #limits: QueueLimits;
  /** In the queue, or in the batch that is being stored. */
  #rows = 0;
  #bytes = 0;
  /** Not yet taken; the first may be taken in part. */
  #deliveries: Delivery[] = [];
  #takenOfFirst = 0;
  #untaken = 0;
  readonly #waiting: Delivery[] = [];
  #wanted = 1;
  #wake: () => void = () => {};

  constructor(limits: QueueLimits) {
    this.#limits = limits;
  }

  /** Rounds that are not stored yet; those of callers who wait are not among them. */
  get rows(): number {
    return this.#rows;
  }

  /** Rounds that no batch has taken yet. */
  get untaken(): number {
    return this.#untaken;
  }

  /** Resolves when every round has been dealt with. */
  add(nodeId: string, spoolId: string | undefined, rounds: readonly Telemetry[]): Promise<void> {
    const bytes = rounds.reduce((total, { samples }) => total + roundBytes + samples.length * sampleBytes, 0);
    const delivery = { nodeId, spoolId, rounds, left: rounds.length, bytes, done: Promise.withResolvers<void>() };
    this.#waiting.push(delivery);
    this.#admit();
    return delivery.done.promise;
  }

  /** At most so many rounds, in order; fewer where they tell of very many GPUs. */
  take(most: number): QueuedEntry[] {
    const entries: QueuedEntry[] = [];
    let samples = 0;
    let used = 0;
    for (let delivery = this.#deliveries[0]; delivery; delivery = this.#deliveries[used]) {
      const { nodeId, spoolId, rounds } = delivery;
      for (let round = rounds[this.#takenOfFirst]; round; round = rounds[this.#takenOfFirst]) {
        if (entries.length >= most || samples >= maxBatchSamples) break;
        entries.push({ nodeId, spoolId, round, delivery });
        samples += round.samples.length;
        this.#takenOfFirst++;
      }
      if (this.#takenOfFirst < rounds.length) break;
      used++;
      this.#takenOfFirst = 0;
    }
    this.#deliveries.splice(0, used);
    this.#untaken -= entries.length;
    return entries;
  }

  /** These have been stored, or dropped for good. */
  settle(entries: readonly QueuedEntry[]): void {
    for (const { delivery } of entries) {
      delivery.left--;
      if (delivery.left > 0) continue;
      this.#rows -= delivery.rounds.length;
      this.#bytes -= delivery.bytes;
      delivery.done.resolve();
    }
    this.#admit();
  }

  /** Resolves when there are so many rounds to take, or at {@link wake}. */
  async filled(count: number): Promise<void> {
    if (this.#untaken >= count) return;
    await new Promise<void>((resolve) => {
      this.#wanted = count;
      this.#wake = resolve;
    });
  }

  wake(): void {
    this.#wake();
  }

  /** Rejects whatever has not been dealt with. */
  fail(entries: readonly QueuedEntry[], error: Error): void {
    const deliveries = [...entries.map(({ delivery }) => delivery), ...this.#deliveries, ...this.#waiting];
    for (const { done } of deliveries) done.reject(error);
    this.#deliveries = [];
    this.#waiting.length = 0;
    this.#untaken = 0;
    this.#rows = 0;
    this.#bytes = 0;
  }

  /** A delivery that is larger than the whole queue comes in when the queue is empty. */
  #admit(): void {
    let admitted = 0;
    for (const delivery of this.#waiting) {
      const fits = this.#rows + delivery.rounds.length <= this.#limits.rows;
      if (this.#rows > 0 && !(fits && this.#bytes + delivery.bytes <= this.#limits.bytes)) break;
      this.#rows += delivery.rounds.length;
      this.#bytes += delivery.bytes;
      this.#untaken += delivery.rounds.length;
      this.#deliveries.push(delivery);
      admitted++;
    }
    this.#waiting.splice(0, admitted);
    if (this.#untaken >= this.#wanted) this.#wake();
  }
}
