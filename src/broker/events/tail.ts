// Follows the journal: LISTEN says that something came, a poll finds what no notification told, and every event is
// handed on once and in order.
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { journalChannel } from './journal.ts';

/** One entry of the journal. */
export interface StoredEvent {
  readonly seq: number;
  readonly at: Date;
  readonly kind: string;
  readonly providerId: string | null;
  readonly clusterId: string | null;
  readonly nodeId: string | null;
  readonly gpuId: string | null;
  readonly data: Record<string, unknown>;
}

/** What a tail needs. */
export interface TailOptions {
  /** Its settings are used for a connection of the tail's own. */
  readonly pool: Pick<pg.Pool, 'options'>;
  /** The last seq that is not wanted; 0 for everything. */
  readonly after: number;
  /**
   * Gets the next events, oldest first. The tail waits for it, and reads no further meanwhile. When it throws, the same
   * events come again.
   */
  readonly onEvents: (events: readonly StoredEvent[]) => void | Promise<void>;
  readonly log: { warn(details: object, message: string): void };
  /** Milliseconds between polls. */
  readonly pollInterval?: number;
  /** In [0, 1): spreads the waits of many brokers. */
  readonly random?: () => number;
}

/** A tail that runs. */
export interface Tail {
  /** Resolves when the last delivery has ended and the connection is closed. */
  stop(): Promise<void>;
}

/** Events that are read at once. */
const batchSize = 500;
/** Milliseconds; a connection that is silent for longer is given up. */
const queryTimeout = 30_000;
const firstRetry = 250;
const longestRetry = 15_000;

/** The columns of the journal as a {@link StoredEvent}. */
export const eventColumns = `seq, at, kind, provider_id as "providerId", cluster_id as "clusterId",
  node_id as "nodeId", gpu_id as "gpuId", data`;

/** Starts to follow; a broken connection is replaced after a pause that grows, and nothing is lost meanwhile. */
export function followJournal(options: TailOptions): Tail {
  const { log, random = Math.random } = options;
  const stopping = new AbortController();
  const place = { after: options.after, failures: 0 };
  const run = async () => {
    while (!stopping.signal.aborted) {
      try {
        await followOnce(options, place, stopping.signal);
      } catch (error) {
        if (stopping.signal.aborted) return;
        const wait = Math.min(firstRetry * 2 ** place.failures++, longestRetry) * (0.5 + random() / 2);
        log.warn({ err: error, retryMs: Math.round(wait) }, 'the journal cannot be followed: trying again');
        await sleep(wait, undefined, { signal: stopping.signal }).catch(() => undefined);
      }
    }
  };
  const ended = run();
  return {
    stop: () => {
      stopping.abort();
      return ended;
    },
  };
}

/** Follows over one connection until it breaks or the tail is stopped. */
async function followOnce(
  options: TailOptions,
  place: { after: number; failures: number },
  stopped: AbortSignal,
): Promise<void> {
  const { pool, onEvents, pollInterval = 1000 } = options;
  const client = new pg.Client({
    ...pool.options,
    // The pool hides it from copies.
    password: pool.options.password,
    query_timeout: queryTimeout,
    keepAlive: true,
  });
  const bell = createBell();
  let broken: Error | undefined;
  client.on('error', (error) => {
    broken = error;
    bell.ring();
  });
  client.on('notification', bell.ring);
  stopped.addEventListener('abort', bell.ring);
  try {
    await client.connect();
    await client.query(`listen ${journalChannel}`);
    while (!stopped.aborted) {
      if (broken) throw broken;
      const events = await readEvents(client, place.after);
      place.failures = 0;
      const last = events.at(-1);
      if (last && !stopped.aborted) {
        await onEvents(events);
        place.after = last.seq;
      }
      if (events.length < batchSize) await bell.heard(pollInterval);
    }
  } finally {
    stopped.removeEventListener('abort', bell.ring);
    await client.end().catch(() => undefined);
  }
}

async function readEvents(client: pg.Client, after: number): Promise<StoredEvent[]> {
  const text = `select ${eventColumns} from journal where seq > $1 order by seq limit ${batchSize}`;
  return (await client.query<StoredEvent>(text, [after])).rows;
}

/** A bell that is heard at once if it rang since it was last heard. */
function createBell(): { ring: () => void; heard: (timeout: number) => Promise<void> } {
  let rang = false;
  let wake = () => {};
  return {
    ring: () => {
      rang = true;
      wake();
    },
    heard: (timeout) =>
      new Promise((resolve) => {
        const done = () => {
          clearTimeout(timer);
          wake = () => {};
          rang = false;
          resolve();
        };
        const timer = setTimeout(done, timeout);
        wake = done;
        if (rang) done();
      }),
  };
}
