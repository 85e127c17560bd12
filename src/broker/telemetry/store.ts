// Takes what nodes read of their GPUs and stores it in batches. Each node has its writer, and each writer one batch at a
// time: while one waits for the database the other prepares.
//
//   add → queue (bounded) → batch → stored ──▶ the callers' promises resolve
//                             │
//                             ├── the database is away, or something was in the way ──▶ back-off, the same again
//                             └── the database refuses a value ──▶ halves, down to the one round that is refused
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { Registry } from 'prom-client';
import type { Log } from '../../daemon/logger.ts';
import type { Telemetry } from '../../wire/gpubroker/node/v1/node_link.ts';
import { Refusal } from '../refusal.ts';
import { type Outcome, storeBatch } from './batch.ts';
import { ClusterUtilization } from './cluster-utilization.ts';
import { CopyRows } from './copy-rows.ts';
import { type TelemetryMetrics, telemetryMetrics } from './metrics.ts';
import { type QueuedEntry, TelemetryQueue } from './queue.ts';

/** Where readings go. */
export interface TelemetryStore {
  /**
   * Stores rounds of one node, in the order in which the node took them. Resolves when they are committed, and with
   * them how far the spool has been stored; rejects only when the store stops. Where the store is full the promise
   * waits: whoever reads from a node must not read on before it has resolved.
   * @param spoolId whose sequences the rounds carry; undefined for rounds that have none, over HTTP.
   */
  add(nodeId: string, spoolId: string | undefined, rounds: readonly Telemetry[]): Promise<void>;
}

/** A store that runs. */
export interface RunningTelemetryStore extends TelemetryStore {
  /** Stores what it has, takes no more; at the signal what is left is rejected. */
  stop(force?: AbortSignal): Promise<void>;
}

export interface TelemetryStoreOptions {
  /** Each writer takes one connection of it, for as long as a batch takes. */
  readonly pool: pg.Pool;
  readonly log: Log;
  readonly now: () => Date;
  readonly registry: Registry;
  /** Milliseconds; older rounds are dropped when they come. */
  readonly retention: number;
  /** Rounds that may wait. */
  readonly maxRows?: number;
  /** Bytes that they may take, roughly. */
  readonly maxBytes?: number;
  readonly writers?: number;
  /** Rounds in one batch. */
  readonly batchRows?: number;
  /** How long to wait for more rounds before a batch that is not full, in milliseconds. */
  readonly linger?: number;
  /** Longest time for one attempt to store a batch, in milliseconds. */
  readonly deadline?: number;
  /** First wait after a failure, in milliseconds; it doubles up to a hundred times this. */
  readonly retryDelay?: number;
}

/** SQLSTATE classes of values that the database refuses; trying again would not help. */
const refusals = /^(?:22|23|54|P0)/;
/** How often a batch of which a partition is missing is tried before that counts as refused. */
const maxPartitionMisses = 3;

/** Starts the writers. */
export function startTelemetryStore(options: TelemetryStoreOptions): RunningTelemetryStore {
  const complete = { ...defaults, ...options };
  const { registry, writers: count, now } = complete;
  const utilization = new ClusterUtilization(now);
  const queueRows = () => writers.reduce((total, writer) => total + writer.queueRows, 0);
  const metrics = telemetryMetrics(registry, queueRows, utilization);
  const writers = Array.from({ length: count }, () => new Writer(complete, metrics, utilization));
  const writerOf = (nodeId: string) => writers[writerNumber(nodeId, count)] ?? writers[0];
  return {
    add: async (nodeId, spoolId, rounds) => writerOf(nodeId)?.add(nodeId, spoolId, rounds),
    stop: async (force) => {
      await Promise.all(writers.map((writer) => writer.stop(force)));
    },
  };
}

const defaults = {
  writers: 2,
  maxRows: 40_000,
  maxBytes: 96 * 2 ** 20,
  batchRows: 4_096,
  linger: 50,
  deadline: 60_000,
  retryDelay: 100,
};

/** The last digits of an id are random; the first are a time. */
function writerNumber(nodeId: string, writers: number): number {
  return (Number.parseInt(nodeId.slice(-6), 16) || 0) % writers;
}

/** Stores what the nodes that are its own bring. */
class Writer implements RunningTelemetryStore {
  readonly #options: Required<TelemetryStoreOptions>;
  readonly #queue: TelemetryQueue;
  readonly #utilization: ClusterUtilization;
  readonly #metrics: TelemetryMetrics;
  readonly #rows = new CopyRows();
  readonly #partitions = new Set<string>();
  readonly #stopping = new AbortController();
  readonly #forced = new AbortController();
  readonly #ended: Promise<void>;

  constructor(options: Required<TelemetryStoreOptions>, metrics: TelemetryMetrics, utilization: ClusterUtilization) {
    const { maxRows, maxBytes, writers } = options;
    this.#options = options;
    this.#metrics = metrics;
    this.#utilization = utilization;
    this.#queue = new TelemetryQueue({ rows: Math.ceil(maxRows / writers), bytes: Math.ceil(maxBytes / writers) });
    this.#ended = this.#run();
  }

  get queueRows(): number {
    return this.#queue.rows;
  }

  async add(nodeId: string, spoolId: string | undefined, rounds: readonly Telemetry[]): Promise<void> {
    if (this.#stopping.signal.aborted) throw stopped();
    if (rounds.length > 0) await this.#queue.add(nodeId, spoolId, rounds);
  }

  async stop(force?: AbortSignal): Promise<void> {
    this.#stopping.abort();
    this.#queue.wake();
    const forced = () => this.#forced.abort();
    if (force?.aborted) forced();
    force?.addEventListener('abort', forced, { once: true });
    await this.#ended;
    force?.removeEventListener('abort', forced);
  }

  async #run(): Promise<void> {
    const { linger, batchRows } = this.#options;
    for (;;) {
      if (!this.#stopping.signal.aborted) await this.#queue.filled(1);
      if (linger > 0 && !this.#stopping.signal.aborted) await this.#linger(linger, batchRows);
      if (this.#stopping.signal.aborted && this.#queue.untaken === 0) return;
      const entries = this.#queue.take(batchRows);
      try {
        const end = this.#metrics.batchSeconds.startTimer();
        await this.#store(entries, false);
        end();
      } catch (error) {
        this.#queue.fail(entries, stopped(error));
        return;
      }
    }
  }

  /** Waits for a full batch, but not long. */
  async #linger(linger: number, batchRows: number): Promise<void> {
    const timer = setTimeout(() => this.#queue.wake(), linger);
    await this.#queue.filled(batchRows);
    clearTimeout(timer);
  }

  /** Stores the entries and settles them. @throws only when the store is forced to stop. */
  async #store(entries: readonly QueuedEntry[], again: boolean): Promise<void> {
    const failure = await this.#persist(entries, again);
    if (failure === undefined) return;
    if (entries.length === 1) {
      this.#options.log.warn({ err: failure, node: entries[0]?.nodeId }, 'telemetry is refused by the database');
      const stillRefused = await this.#persist(entries, true, true);
      if (stillRefused !== undefined) this.#queue.settle(entries);
      return;
    }
    const middle = entries.length >> 1;
    await this.#store(entries.slice(0, middle), true);
    await this.#store(entries.slice(middle), true);
  }

  /** Tries until it is stored, or refused: then returns why. */
  async #persist(entries: readonly QueuedEntry[], again: boolean, refuse = false): Promise<unknown> {
    let misses = 0;
    for (let attempt = 0; ; attempt++) {
      if (this.#forced.signal.aborted) throw new Error('forced to stop');
      try {
        this.#count(await this.#attempt(entries, again || attempt > 0, refuse));
        this.#queue.settle(entries);
        return undefined;
      } catch (error) {
        if (lacksPartition(error) && misses < maxPartitionMisses) {
          misses++;
          this.#partitions.clear();
        } else if (isRefused(error)) {
          return error;
        }
        await this.#backOff(error, attempt);
      }
    }
  }

  #attempt(entries: readonly QueuedEntry[], again: boolean, refuse: boolean): Promise<Outcome> {
    const { pool, retention, deadline } = this.#options;
    const now = this.#options.now().getTime();
    const partitions = this.#partitions;
    const signal = AbortSignal.any([this.#forced.signal, AbortSignal.timeout(deadline)]);
    const base = { pool, partitions, rows: this.#rows, now, oldest: now - retention, signal };
    return storeBatch(entries, { ...base, again, refuse });
  }

  #count({ rows, dropped }: Outcome): void {
    let samples = 0;
    for (const row of rows) {
      samples += row.samples.length;
      this.#utilization.add(row.clusterId, row.at, row.samples);
    }
    this.#metrics.rows.inc(rows.length);
    this.#metrics.samples.inc(samples);
    for (const [reason, count] of dropped) this.#metrics.dropped.inc({ reason }, count);
  }

  async #backOff(error: unknown, attempt: number): Promise<void> {
    const { retryDelay, log } = this.#options;
    const delay = retryDelay * Math.min(2 ** attempt, 100) * (0.5 + Math.random() / 2);
    log.warn(
      { err: error, attempt: attempt + 1, delay: Math.round(delay) },
      'telemetry is not stored yet: trying again',
    );
    await sleep(delay, undefined, { signal: this.#forced.signal }).catch(() => undefined);
  }
}

function sqlState(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

function isRefused(error: unknown): boolean {
  return /^[0-9A-Z]{5}$/.test(sqlState(error)) && refusals.test(sqlState(error));
}

/** A row for which there is no partition: somebody dropped it. */
function lacksPartition(error: unknown): boolean {
  return sqlState(error) === '23514' && error instanceof Error && error.message.includes('no partition of relation');
}

function stopped(cause?: unknown): Refusal {
  const refusal = new Refusal('unavailable', 'GPUB_UNAVAILABLE', 'the broker is stopping: telemetry was not stored');
  refusal.cause = cause;
  return refusal;
}
