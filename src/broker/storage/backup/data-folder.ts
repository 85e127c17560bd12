// Which files of PostgreSQL's data folder belong in a backup.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { backupFailed } from '../errors.ts';

/** Their contents are of the running server alone; the folders themselves must be there. */
const emptied = new Set([
  'pg_wal',
  'pg_replslot',
  'pg_dynshmem',
  'pg_notify',
  'pg_serial',
  'pg_snapshots',
  'pg_stat_tmp',
  'pg_subtrans',
  'log',
]);

/** Made anew at every start. */
const leftOut = new Set([
  'postmaster.pid',
  'postmaster.opts',
  'gpubroker.conf',
  'backup_label',
  'tablespace_map',
  'recovery.signal',
  'standby.signal',
]);

export interface DataFolderList {
  /** Paths from the data folder. `global/pg_control` is the last. */
  readonly files: readonly string[];
  readonly folders: readonly string[];
}

/** Lists what to copy; `withWal` when the write-ahead log in it was put there for the backup. */
export function listDataFolder(folder: string, withWal = false): DataFolderList {
  const files: string[] = [];
  const folders: string[] = ['pg_wal/archive_status'];
  const visit = (path: string) => {
    for (const entry of entriesOf(join(folder, path))) {
      const name = path === '' ? entry.name : `${path}/${entry.name}`;
      if (path === 'pg_tblspc') throw backupFailed('tablespaces outside of the data folder are not supported');
      if (leftOut.has(name) || entry.name.startsWith('pgsql_tmp') || entry.name === 'pg_internal.init') continue;
      if (entry.isDirectory()) {
        if (name !== 'pg_wal/archive_status' && name !== 'pg_wal/summaries') folders.push(name);
        if (!emptied.has(name) || (withWal && name === 'pg_wal')) visit(name);
      } else if (entry.isFile() && name !== 'global/pg_control') files.push(name);
    }
  };
  visit('');
  return { files: [...files, 'global/pg_control'], folders: folders.sort() };
}

/** Of a folder that a running server may remove, nothing. */
function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
