// What a session sends next: answers first, then changes in order, then the snapshots that contain them, then
// measurements and telemetry, each within its window. Nothing is read from the spool before the stream can take it.
import type { ConnectRequest, Snapshot, Stored, Telemetry } from '../wire/gpubroker/node/v1/node_link.ts';
import type { MeasurementQueue } from './measurements.ts';
import type { NodeState } from './node-state.ts';
import type { Spool } from './spool/spool.ts';

/** Answers that may wait; a broker that asks for more and does not read is cut. */
const mostAnswers = 64;
const mostPulls = 16;
const widestWindow = 1024;

/** What an {@link Outbox} needs. */
export interface OutboxOptions {
  readonly spool: Spool;
  readonly source: NodeState;
  readonly measurements?: Pick<MeasurementQueue, 'next'> | undefined;
  readonly now: () => Date;
  /** What the broker has, as its welcome says. */
  readonly stored: Stored;
  /** Rounds of telemetry that may be sent ahead of what is stored. */
  readonly window: number;
}

/** The spool's counts have changed, and with them its id: this session cannot go on. */
export class SpoolRenewed extends Error {
  override readonly name = 'SpoolRenewed';
}

/** The messages of one session. */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #spoolId: string;
  readonly #answers: ConnectRequest[] = [];
  /** Snapshots to come; `undefined` is the one that every session begins with. */
  #pulls: (string | undefined)[] = [undefined];
  /** Taken, and to be sent behind the changes that it contains. */
  #snapshot: Snapshot | undefined;
  #changeSent: bigint;
  #changeStored: bigint;
  #telemetrySent: bigint;
  /** Sent and not stored, oldest first. */
  #inFlight: bigint[] = [];
  #rounds: Telemetry[] = [];

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#spoolId = options.spool.id;
    this.#changeSent = options.stored.changeSequence;
    this.#changeStored = options.stored.changeSequence;
    this.#telemetrySent = options.stored.telemetrySequence;
  }

  /** Adds an answer; false when too many wait. */
  answer(message: ConnectRequest): boolean {
    if (this.#answers.length >= mostAnswers) return false;
    this.#answers.push(message);
    return true;
  }

  /** The broker asks for a snapshot. */
  pull(id: string): void {
    if (this.#pulls.length < mostPulls && !this.#pulls.includes(id)) this.#pulls.push(id);
  }

  /** What the broker has stored now. */
  stored({ changeSequence, telemetrySequence }: Stored): void {
    if (changeSequence > this.#changeStored) this.#changeStored = changeSequence;
    this.#inFlight = this.#inFlight.filter((sequence) => sequence > telemetrySequence);
  }

  /**
   * The next message; undefined where there is none now.
   *
   * @throws SpoolRenewed when the session has to begin again
   */
  async next(): Promise<ConnectRequest | undefined> {
    const answer = this.#answers.shift();
    if (answer) return answer;
    this.#takeSnapshot();
    const changes = await this.#nextChanges();
    if (changes) return changes;
    if (this.#snapshot && this.#snapshot.sequence <= this.#changeSent) {
      const snapshot = this.#snapshot;
      this.#snapshot = undefined;
      return { snapshot };
    }
    const measurement = this.#options.measurements?.next();
    return measurement ? { measurement } : this.#nextTelemetry();
  }

  #takeSnapshot(): void {
    if (this.#snapshot || this.#pulls.length === 0) return;
    const { source, spool, now } = this.#options;
    const pullId = this.#pulls.shift();
    // First, for it may have changes added to the spool.
    const gpus = source.snapshot();
    this.#snapshot = { sequence: spool.lastChange, time: now(), gpus, pullId };
  }

  async #nextChanges(): Promise<ConnectRequest | undefined> {
    const { spool } = this.#options;
    const changes = await spool.changesAfter(this.#changeSent);
    this.#checkSpool();
    const next = changes[0]?.sequence;
    if (next === undefined ? spool.misses(this.#changeSent) : next !== this.#changeSent + 1n) {
      // Some were given up. What was sent before them shall be stored first, under the counts of now.
      if (this.#changeStored >= this.#changeSent) spool.renew(next);
      this.#checkSpool();
      return undefined;
    }
    if (changes.length === 0) return undefined;
    this.#changeSent = changes.at(-1)?.sequence ?? this.#changeSent;
    return { changes: { changes } };
  }

  async #nextTelemetry(): Promise<ConnectRequest | undefined> {
    const window = Math.min(Math.max(this.#options.window, 1), widestWindow) - this.#inFlight.length;
    if (window <= 0) return undefined;
    if (this.#rounds.length === 0) {
      this.#rounds = await this.#options.spool.telemetryAfter(this.#telemetrySent, window);
      this.#checkSpool();
    }
    const telemetry = this.#rounds.shift();
    if (!telemetry) return undefined;
    this.#telemetrySent = telemetry.sequence;
    this.#inFlight.push(telemetry.sequence);
    return { telemetry };
  }

  #checkSpool(): void {
    if (this.#options.spool.id !== this.#spoolId) throw new SpoolRenewed('the spool has another id');
  }
}
