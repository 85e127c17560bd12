// Publishes the price index: each window once it has ended, and again, with the next revision, when late trades came.
//
// Every revision is a command with a key of its own: however often a broker tries, and whichever broker does, it is done
// once. Which windows have new trades is told by the commits; a comparison with the tape finds what no commit told of.
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Counter, Histogram, type Registry } from 'prom-client';
import type { Log } from '../../../daemon/logger.ts';
import type { Pipeline } from '../../commit/contract.ts';
import type { IndexWindow } from '../../engine/commands.ts';
import type { Database } from '../../storage/database.ts';
import { type Unpublished, unpublishedWindows } from './tape.ts';
import { isFinalAt, windowAt, windowLength, windowOf } from './windows.ts';

export interface IndexPublisherOptions {
  readonly db: Database;
  readonly pipeline: Pick<Pipeline, 'submit' | 'read' | 'onCommitted'>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly log: Log;
  readonly registry: Registry;
  /** Milliseconds between two looks at what is due. */
  readonly interval?: number;
}

export interface IndexPublisher {
  start(): void;
  /** Resolves when what is under way has ended. */
  stop(): Promise<void>;
  /** Publishes what is due, once. @returns how many revisions */
  publish(): Promise<number>;
}

/** Milliseconds. */
const usualInterval = 1000;
/** So far back the tape is compared: longer than a broker is away without anybody's noticing. Milliseconds. */
const comparedFor = 7 * 86_400_000;
/** Between two comparisons when nothing fails; in milliseconds. */
const comparisonInterval = 3_600_000;
const longestPause = 4_000;
/** The broker itself. */
const nobody = '00000000-0000-0000-0000-000000000000';

/** Makes it; nothing happens until `start`, besides that it listens to commits. */
export function createIndexPublisher(options: IndexPublisherOptions): IndexPublisher {
  const { db, pipeline, now, log, registry, interval = usualInterval } = options;
  const metrics = indexMetrics(registry);
  /** Beginnings of windows that may have trades that are not published. */
  const waiting = new Set<number>();
  let comparedAt = Number.NEGATIVE_INFINITY;
  const stopping = new AbortController();
  let running: Promise<void> | undefined;
  const stopListening = pipeline.onCommitted(({ events }) => {
    for (const event of events) if (event.type === 'trade') waiting.add(windowAt(event.trade.executedAt));
  });

  async function publish(): Promise<number> {
    const at = now();
    if (at - comparedAt >= comparisonInterval) await compare(at);
    const ended = [...waiting].filter((startsAt) => startsAt + windowLength <= at).sort((a, b) => a - b);
    if (ended.length === 0) return 0;
    // Everything traded before now is durable then, and what comes is later: the ended windows have all their trades.
    await pipeline.read(() => undefined);
    let published = 0;
    for (const startsAt of ended) published += await publishWindow(startsAt, at);
    return published;
  }

  async function compare(at: number): Promise<void> {
    const current = windowAt(at);
    waiting.add(current);
    for (const { sums } of await unpublishedWindows(db, current - comparedFor, current)) waiting.add(sums.startsAt);
    comparedAt = at;
  }

  /** Of all products that were traded in it. */
  async function publishWindow(startsAt: number, at: number): Promise<number> {
    // Taken out first: a trade that is committed meanwhile puts it back.
    waiting.delete(startsAt);
    let published = 0;
    try {
      for (const found of await unpublishedWindows(db, startsAt, startsAt + windowLength)) {
        // Also one that is published: the next look finds what an earlier attempt at this revision did not have.
        waiting.add(startsAt);
        if (found.revision !== undefined && !isFinalAt(startsAt, at)) continue;
        await submit(found, at);
        published += 1;
      }
    } catch (error) {
      waiting.add(startsAt);
      throw error;
    }
    return published;
  }

  async function submit({ sums, revision: last }: Unpublished, at: number): Promise<void> {
    const revision = last === undefined ? 0 : last + 1;
    const window = windowOf(sums, revision, isFinalAt(sums.startsAt, at));
    const command = { kind: 'publish-index', windows: [window] } as const;
    await pipeline.submit({ command, actor: null, key: keyOf(window) });
    metrics.count(window, now());
  }

  /** After a failure it compares again, since what was committed meanwhile may not have been heard. */
  async function repeat(): Promise<void> {
    let failures = 0;
    while (!stopping.signal.aborted) {
      try {
        await publish();
        failures = 0;
      } catch (error) {
        if (stopping.signal.aborted) return;
        failures += 1;
        comparedAt = Number.NEGATIVE_INFINITY;
        log.warn({ err: error }, 'the price index could not be published; it is tried again');
      }
      const pause = Math.min(interval * 2 ** Math.min(failures, 10), Math.max(longestPause, interval));
      await sleep(pause, undefined, { signal: stopping.signal }).catch(() => {});
    }
  }

  return {
    publish,
    start: () => {
      running ??= repeat();
    },
    stop: async () => {
      stopListening();
      stopping.abort();
      await running;
    },
  };
}

/** A revision is published once, whatever would be found in a second attempt: what is new makes the next. */
function keyOf({ product, startsAt, revision }: IndexWindow) {
  const key = `price-index/${product}/${startsAt}/${revision}`;
  return { accountId: nobody, key, digest: createHash('sha256').update(key).digest('hex') };
}

function indexMetrics(registry: Registry) {
  const registers = [registry];
  const published = new Counter({
    name: 'gpubroker_price_index_published_total',
    help: 'Windows of the price index that were published, by revision (first, later).',
    labelNames: ['revision'],
    registers,
  });
  const delay = new Histogram({
    name: 'gpubroker_price_index_delay_seconds',
    help: 'From the end of a window of the price index until its first revision was durable.',
    buckets: [0.5, 1, 2, 3, 5, 7.5, 10, 30, 60, 600],
    registers,
  });
  return {
    count: ({ revision, startsAt }: IndexWindow, at: number) => {
      published.inc({ revision: revision === 0 ? 'first' : 'later' });
      if (revision === 0) delay.observe((at - startsAt - windowLength) / 1000);
    },
  };
}
