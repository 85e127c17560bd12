// The one writer: takes batches, commits each in one transaction, and answers those who wait.
//
//   idle ──an entry arrives──▶ committing ──committed──▶ answers, next batch, or idle
//                                │  ▲
//                                │  └── after a pause ──┐
//                                ├─ the database is away, or a collision ─▶ waiting, at most `patience` ─▶ refuses
//                                └─ anything else: each entry alone, once; who fails alone is refused alone
//
// A connection that breaks at COMMIT leaves open what was stored. Memory is then read anew, and messages that are
// stored already change nothing the second time.
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../../../daemon/logger.ts';
import { Refusal } from '../../refusal.ts';
import { isPassing } from '../../storage/failures.ts';
import type { Outcome } from './batch.ts';
import type { IngestEntry } from './entries.ts';
import type { IngestMetrics } from './metrics.ts';
import type { IngestQueue, Waiting } from './queue.ts';

/** What an entry resolves with. */
export type IngestValue = Extract<Outcome, { value: unknown }>['value'];
type Batch = readonly Waiting<IngestEntry, IngestValue>[];

export interface WriterOptions {
  readonly queue: IngestQueue<IngestEntry, IngestValue>;
  /** Commits the entries in one transaction and brings memory up to date; on failure neither is changed. */
  readonly commit: (entries: readonly IngestEntry[]) => Promise<ReadonlyMap<IngestEntry, Outcome>>;
  readonly log: Log;
  readonly metrics: IngestMetrics;
  /** How long a batch is tried while the database is away, in milliseconds. */
  readonly patience: number;
  /** In [0, 1): spreads the pauses. */
  readonly random: () => number;
}

const firstPause = 50;
const longestPause = 5_000;

export class IngestWriter {
  readonly #options: WriterOptions;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  /** Something arrived. */
  wake(): void {
    // In the next turn, so that what arrives together is written together.
    this.#running ??= nextTurn().then(() => this.#run());
  }

  /** Resolves when nothing waits any more. */
  async idle(): Promise<void> {
    while (this.#running) await this.#running;
  }

  /** Tries no more; what waits is refused unless its transaction is running. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.idle();
  }

  async #run(): Promise<void> {
    const { queue } = this.#options;
    try {
      for (let batch = queue.take(); batch.length > 0; batch = queue.take()) {
        await this.#write(batch);
        queue.settled(batch.length);
      }
    } finally {
      this.#running = undefined;
    }
  }

  /** Never throws: every entry is answered. */
  async #write(batch: Batch): Promise<void> {
    const { log, metrics } = this.#options;
    try {
      await this.#commitPatiently(batch);
    } catch (error) {
      const [only] = batch;
      if (batch.length === 1 && only) {
        if (!(error instanceof Refusal))
          log.error({ err: error, kind: only.entry.kind }, 'a message of a node could not be stored');
        metrics.failed();
        only.reject(error);
      } else if (error instanceof Refusal) {
        metrics.failed(batch.length);
        for (const { reject } of batch) reject(error);
      } else {
        log.warn(
          { err: error, entries: batch.length },
          'a batch could not be stored: trying each of its messages alone',
        );
        for (const waiting of batch) await this.#write([waiting]);
      }
    }
  }

  /** @throws what no further try would change, or a Refusal `unavailable` when patience ends. */
  async #commitPatiently(batch: Batch): Promise<void> {
    const { commit, log, metrics, patience, random } = this.#options;
    const entries = batch.map(({ entry }) => entry);
    const until = performance.now() + patience;
    for (let attempt = 0; ; attempt++) {
      const started = performance.now();
      try {
        if (this.#stopping.signal.aborted) throw unavailable('the broker is stopping');
        const outcomes = await commit(entries);
        metrics.committed(entries.length, (performance.now() - started) / 1000);
        for (const waiting of batch) answer(waiting, outcomes.get(waiting.entry));
        return;
      } catch (error) {
        if (!isPassing(error)) throw error;
        const pause = Math.min(firstPause * 2 ** attempt, longestPause) * (0.5 + random() / 2);
        if (performance.now() + pause > until) throw unavailable('the database cannot be reached');
        metrics.retried();
        log.warn({ err: error, retryMs: Math.round(pause) }, 'reports of nodes cannot be stored: trying again');
        await sleep(pause, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
      }
    }
  }
}

function answer({ resolve, reject }: Waiting<IngestEntry, IngestValue>, outcome: Outcome | undefined): void {
  if (!outcome || 'refusal' in outcome) reject(outcome?.refusal ?? unavailable('the message was lost'));
  else resolve(outcome.value);
}

function unavailable(reason: string): Refusal {
  return new Refusal('unavailable', 'GPUB_INGEST_UNAVAILABLE', `reports of nodes cannot be stored: ${reason}`, {
    retryAfter: 5,
  });
}
