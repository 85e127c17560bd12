// Opens the broker's storage: the server of --database-url, or PostgreSQL of our own in the data folder; brings the
// schema up to date; and hands out the pool, the leadership, and word of whether the database answers.
import { setTimeout as sleep } from 'node:timers/promises';
import { CodedError } from '../../daemon/errors.ts';
import type { Log } from '../../daemon/logger.ts';
import { type OpenDatabase, openDatabase } from './database.ts';
import { openEmbedded } from './embedded/open.ts';
import type { Settings } from './embedded/settings.ts';
import type { ServerState } from './embedded/supervisor.ts';
import { prepared } from './folder.ts';
import { createLeader, type Leader } from './leader.ts';
import { migrate } from './migrator.ts';
import { checkServer } from './server-requirements.ts';
import { watchDatabase } from './watch.ts';

export interface StorageOptions {
  /** The broker's data folder; made where there is none. Needed without `databaseUrl` only. */
  readonly dataFolder: string;
  /** PostgreSQL ≥ 15; empty or absent for one of our own. */
  readonly databaseUrl?: string | undefined;
  readonly log: Log;
  /** Connections of the pool, at most; 20 by default. */
  readonly maxConnections?: number;
  readonly now?: () => Date;
  /** Gives up the wait for a server that does not answer yet. */
  readonly abort?: AbortSignal;
  /** Milliseconds that a server of `databaseUrl` has to answer at first; 30 s by default. */
  readonly connectDeadline?: number;
  /** Further settings of the embedded server. */
  readonly settings?: Settings;
}

/** The database, ready: its schema is what this program knows. */
export interface Storage {
  readonly database: OpenDatabase;
  readonly leader: Leader;
  readonly isEmbedded: boolean;
  /** Of the server, for instance `18.4`. */
  readonly serverVersion: string;
  /** Calls the listener whenever the database stops or begins to answer; returns the function that ends this. */
  onState(listener: (state: ServerState) => void): () => void;
  close(): Promise<void>;
}

/**
 * Opens storage.
 * @throws CodedError, of errors.ts: unreachable, too old, unsafe, newer than this program, in use by another process …
 */
export async function openStorage(options: StorageOptions): Promise<Storage> {
  const { databaseUrl, log, maxConnections = 20, now = () => new Date() } = options;
  const embedded = databaseUrl ? undefined : await openEmbedded(prepared(options.dataFolder), log, options);
  const url = embedded?.url ?? databaseUrl ?? '';
  let database: OpenDatabase | undefined;
  try {
    const { version } = await reach(url, options);
    database = openDatabase({ url, maxConnections, onError: (error) => log.debug({ err: error }, 'connection lost') });
    const { names } = await migrate(database.db);
    if (names.length > 0) log.info({ migrations: names }, 'database schema brought up to date');
    const leader = createLeader({ url, log, now });
    const watch = watchDatabase(database.pool, embedded);
    return storage({ database, leader, isEmbedded: embedded !== undefined, serverVersion: version }, watch, embedded);
  } catch (error) {
    await database?.close().catch(() => undefined);
    await embedded?.stop();
    throw error;
  }
}

function storage(
  parts: Pick<Storage, 'database' | 'leader' | 'isEmbedded' | 'serverVersion'>,
  watch: ReturnType<typeof watchDatabase>,
  embedded: { stop(): Promise<void> } | undefined,
): Storage {
  return {
    ...parts,
    onState: watch.onState,
    close: async () => {
      watch.stop();
      await parts.leader.close();
      await parts.database.close();
      await embedded?.stop();
    },
  };
}

/** Milliseconds between attempts, at most; doubled from the first. */
const pauses = { first: 100, longest: 5000 };

/** A server that starts at the same time as we do may need a while; one that is unsuitable stays so. */
async function reach(url: string, { abort, connectDeadline = 30_000, log }: StorageOptions) {
  const deadline = performance.now() + connectDeadline;
  for (let pause = pauses.first; ; pause = Math.min(pause * 2, pauses.longest)) {
    try {
      return await checkServer(url);
    } catch (error) {
      const mayCome = error instanceof CodedError && error.code === 'GPUB_DATABASE_UNREACHABLE';
      if (!mayCome || abort?.aborted || performance.now() + pause > deadline) throw error;
      log.warn({ err: error }, 'waiting for the database');
      await sleep(pause * (0.75 + Math.random() / 2), undefined, { signal: abort }).catch(() => undefined);
    }
  }
}
