// The way to the database: a pool of connections, and Kysely on top of it.
import { Kysely, PostgresDialect, type Transaction } from 'kysely';
import pg from 'pg';
import type { Schema } from './schema.ts';

export type Database = Kysely<Schema>;
/** A query may run in a transaction or without one. */
export type Queryable = Database | Transaction<Schema>;

/** How the database is reached. */
export interface ConnectionOptions {
  /** `postgres://…`; for a Unix socket, `postgres://user@/database?host=/folder`. */
  readonly url: string;
  readonly maxConnections?: number;
  /** Milliseconds. */
  readonly connectTimeout?: number;
  /** Milliseconds; no statement of the pool runs longer. */
  readonly statementTimeout?: number;
  /** Called for connections that break while idle. */
  readonly onError?: (error: Error) => void;
}

/** A database that is open. */
export interface OpenDatabase {
  readonly db: Database;
  readonly pool: pg.Pool;
  readonly url: string;
  close(): Promise<void>;
}

/** An int8 is a number here: every figure of ours is below 2^53, and one that is not must not be rounded in silence. */
pg.types.setTypeParser(pg.types.builtins.INT8, (text) => {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`${text} does not fit a number`);
  return value;
});

/** Opens the pool; the first query connects. */
export function openDatabase(options: ConnectionOptions): OpenDatabase {
  const { url, maxConnections = 10, connectTimeout = 10_000, statementTimeout = 30_000, onError } = options;
  const pool = new pg.Pool({
    connectionString: url,
    max: maxConnections,
    connectionTimeoutMillis: connectTimeout,
    statement_timeout: statementTimeout,
    // A transaction that its process has forgotten, or was stopped in, gives its locks back.
    idle_in_transaction_session_timeout: statementTimeout,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    application_name: 'gpubroker',
  });
  pool.on('error', (error) => onError?.(error));
  // One that breaks in use, between two queries: the next query tells, and nobody else must hear of it.
  pool.on('connect', (client) => client.on('error', () => {}));
  const db = new Kysely<Schema>({ dialect: new PostgresDialect({ pool }) });
  return { db, pool, url, close: () => closeBoth(db, pool) };
}

/** Kysely ends its pool only if it was ever asked something. */
async function closeBoth(db: Database, pool: pg.Pool): Promise<void> {
  await db.destroy();
  if (!pool.ending) await pool.end();
}
