// Which database the `db` commands work on, and what is said about it meanwhile.
import { pino } from 'pino';
import { type Reached, withDatabase } from '../broker/storage/administration.ts';
import { noDatabase } from '../broker/storage/errors.ts';
import type { DbOptions } from './db.ts';

/** Calls `use` with the database that the options name. */
export function onDatabase<Result>(
  { dataDir, databaseUrl }: DbOptions,
  use: (database: Reached) => Promise<Result>,
  create = false,
): Promise<Result> {
  if (!databaseUrl && dataDir === '') throw noDatabase(dataDir);
  // The outcome is told by the command; a failure by its error.
  return withDatabase({ dataFolder: dataDir, databaseUrl, log: pino({ enabled: false }), create }, use);
}
