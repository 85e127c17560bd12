// `gpubroker db backup`, `backups`, `verify` and `restore`.
import {
  backUp,
  backupFolders,
  findBackup,
  type ListedBackup,
  listBackups,
  type Retention,
  removeOld,
  restoreBackup,
  verifyBackup,
} from '../broker/storage/administration.ts';
import { backupNotFound } from '../broker/storage/errors.ts';
import type { BackupOptions, RestoreOptions } from './db.ts';
import { onDatabase } from './db-connection.ts';
import { exitCodes } from './exit-codes.ts';
import { formatTable, print, printJson } from './output.ts';

/** Backups that are kept unless something else is asked for. */
const usualKeep = 7;

export async function backUpDatabase(options: BackupOptions): Promise<void> {
  const started = performance.now();
  const output = outputOf(options);
  const { folder, manifest } = await onDatabase(options, (database) => backUp(database, output));
  const removed = removeOld(output, backupFolders(options.dataDir).archive, retentionOf(options), new Date());
  const bytes = manifest.files.reduce((sum, { size }) => sum + size, 0);
  const seconds = (performance.now() - started) / 1000;
  if (options.json) {
    printJson({ id: manifest.id, folder, files: manifest.files.length, bytes, seconds, removed });
    return;
  }
  print(
    `Backup ${manifest.id} in ${folder}: ${manifest.files.length} files, ${megabytes(bytes)}, ${seconds.toFixed(1)} s.`,
  );
  if (removed.backups.length > 0) print(`Removed ${removed.backups.join(', ')}, and ${removed.segments} segments.`);
}

export function showBackups(options: BackupOptions): void {
  const backups = listBackups(outputOf(options));
  if (options.json) {
    printJson({
      backups: backups.map(({ id, folder, state, bytes, manifest }) => ({
        id,
        folder,
        state,
        bytes,
        startedAt: manifest?.startedAt,
        finishedAt: manifest?.finishedAt,
        serverVersion: manifest?.serverVersion,
      })),
    });
    return;
  }
  print(formatTable([['BACKUP', 'STATE', 'ENDED', 'STORED', 'POSTGRESQL'], ...backups.map(line)]));
}

function line({ id, state, bytes, manifest }: ListedBackup): string[] {
  return [id, state, manifest?.finishedAt ?? '', megabytes(bytes), manifest?.serverVersion ?? ''];
}

/** @returns the exit code. */
export async function verifyDatabaseBackup(name: string, options: BackupOptions): Promise<number> {
  const folder = backupNamed(name, outputOf(options));
  const found = await verifyBackup(folder);
  if (options.json) printJson({ folder, ...found });
  else {
    print(`${folder} is ${found.state}: ${found.files} files, ${megabytes(found.bytes)}.`);
    for (const problem of found.problems) print(`  ${problem}`);
  }
  return found.state === 'sound' ? exitCodes.ok : exitCodes.failed;
}

export async function restoreDatabase(name: string, options: RestoreOptions): Promise<void> {
  const started = performance.now();
  const backup = backupNamed(name, options.from ?? '.');
  const restored = await restoreBackup({
    backup,
    dataFolder: options.dataDir,
    until: options.until,
    archive: options.wal,
  });
  const seconds = (performance.now() - started) / 1000;
  if (options.json) {
    printJson({ ...restored, seconds });
    return;
  }
  print(`Restored ${restored.backup} to ${restored.dataFolder} in ${seconds.toFixed(1)} s.`);
  print(`The last transaction in it: ${restored.reached?.toISOString() ?? 'before the backup began'}.`);
  const rows = restored.tables.map(({ table, rows, checksum }) => [table, String(rows), checksum]);
  print(formatTable([['TABLE', 'ROWS', 'CHECKSUM'], ...rows]));
}

/** By its id, its path, or `latest`. */
function backupNamed(name: string, output: string): string {
  if (name !== 'latest') return findBackup(name, output);
  const newest = listBackups(output).find(({ state }) => state === 'complete');
  if (!newest) throw backupNotFound(name, output);
  return newest.folder;
}

function outputOf({ output, dataDir }: BackupOptions): string {
  return output ?? backupFolders(dataDir).backups;
}

function retentionOf({ keep, keepDays, keepArchive: archiveOf }: BackupOptions): Retention {
  return keepDays === undefined ? { keep: keep ?? usualKeep, archiveOf } : { keepDays, archiveOf };
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
