// What the command line does with storage: a database by its URL, or that of a data folder, whether a broker runs or not.
import { existsSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import type { Log } from '../../daemon/logger.ts';
import { takeExternalBackup } from './backup/external.ts';
import { newestBackup } from './backup/list.ts';
import { type TakenBackup, takeBackup } from './backup/take.ts';
import { type OpenDatabase, openDatabase } from './database.ts';
import { ownerOf } from './embedded/folder-owner.ts';
import { foldersIn, openEmbedded } from './embedded/open.ts';
import type { Settings } from './embedded/settings.ts';
import { noDatabase } from './errors.ts';
import { prepared } from './folder.ts';
import { checkServer } from './server-requirements.ts';

export { findBackup, type ListedBackup, listBackups, type Removed, type Retention, removeOld } from './backup/list.ts';
export { type Restored, restoreBackup } from './backup/restore.ts';
export { type Verification, verifyBackup } from './backup/verify.ts';
export { migrate, migrationStatus, rollback } from './migrator.ts';

/** Which database is meant. */
export interface DatabaseChoice {
  readonly dataFolder: string;
  /** Empty or absent for that of the data folder. */
  readonly databaseUrl?: string | undefined;
  readonly log: Log;
  /** Makes a database where the data folder has none. */
  readonly create?: boolean;
  /** Further settings of an embedded server that is started for this. */
  readonly settings?: Settings;
}

/** A database that can be reached. */
export interface Reached extends OpenDatabase {
  /** The folders of an embedded one. */
  readonly folders?: ReturnType<typeof foldersIn> | undefined;
}

/**
 * Calls `use` with the database. That of a data folder is reached through the broker that runs there; where none runs,
 * its server is started and stopped again.
 * @throws CodedError, of errors.ts
 */
export async function withDatabase<Result>(
  choice: DatabaseChoice,
  use: (database: Reached) => Promise<Result>,
): Promise<Result> {
  const { databaseUrl } = choice;
  if (databaseUrl) return through(databaseUrl, undefined, use);
  const dataFolder = existing(choice);
  const folders = foldersIn(dataFolder);
  const owner = ownerOf(dataFolder);
  if (owner) return through(owner.url, folders, use);
  const server = await openEmbedded(dataFolder, choice.log, choice);
  try {
    return await through(server.url, folders, use);
  } finally {
    await server.stop();
  }
}

function existing({ dataFolder, create }: DatabaseChoice): string {
  if (create) return prepared(dataFolder);
  if (!existsSync(join(foldersIn(dataFolder).postgres, 'PG_VERSION'))) throw noDatabase(dataFolder);
  return realpathSync(dataFolder);
}

/** A migration may take long; nothing else does. */
const statementTimeout = 600_000;

async function through<Result>(
  url: string,
  folders: Reached['folders'],
  use: (database: Reached) => Promise<Result>,
): Promise<Result> {
  await checkServer(url);
  const database = openDatabase({ url, maxConnections: 2, statementTimeout });
  try {
    return await use({ ...database, folders });
  } finally {
    await database.close();
  }
}

/** Takes a backup into `output`, by default the folder `backups` in the data folder. */
export function backUp(database: Reached, output: string): Promise<TakenBackup> {
  const { url, folders } = database;
  if (!folders) return takeExternalBackup({ url, output });
  return takeBackup({ url, dataFolder: folders.postgres, archive: folders.archive, output });
}

/** When the newest complete backup of a data folder ended. */
export function lastBackup(dataFolder: string): Date | undefined {
  const newest = newestBackup(foldersIn(dataFolder).backups);
  return newest && new Date(newest.finishedAt);
}

/** Where the backups of a data folder lie, and its archive of the write-ahead log. */
export function backupFolders(dataFolder: string): { readonly backups: string; readonly archive: string } {
  return foldersIn(dataFolder);
}
