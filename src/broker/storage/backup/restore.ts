// Restores a backup into an empty data folder, up to its end or to a later time that the archive reaches.
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import pg from 'pg';
import { CodedError } from '../../../daemon/errors.ts';
import { openDatabase } from '../database.ts';
import { ownFolder } from '../embedded/folder-owner.ts';
import { foldersIn, makeBackupFolders } from '../embedded/open.ts';
import { programsOf } from '../embedded/programs.ts';
import { configureFolder, type EmbeddedServer, socketUrl, startEmbedded } from '../embedded/server.ts';
import { letThrough, mayRead, type ServerUser, serverUser } from '../embedded/server-user.ts';
import { quoted, restoreCommand, type Settings } from '../embedded/settings.ts';
import { removeSocketFolder, socketFolderOf } from '../embedded/socket-folder.ts';
import { backupUnusable, restoreFolderNotEmpty, restoreTargetRefused } from '../errors.ts';
import { prepared } from '../folder.ts';
import { syncFolder, syncTree } from '../sync.ts';
import { type TableChecksum, tableChecksums } from './checksums.ts';
import { forEach, restoreFile } from './files.ts';
import { completeManifest, type Manifest } from './manifest.ts';

export interface RestoreOptions {
  /** The folder of the backup. */
  readonly backup: string;
  /** Of the broker; new or empty. */
  readonly dataFolder: string;
  /** The end of the backup when left out; `latest` is as far as the archive goes. */
  readonly until?: Date | 'latest' | undefined;
  /** The archive; that of the backup by default. */
  readonly archive?: string | undefined;
  /** Milliseconds for the server to repeat what the log says; two hours by default. */
  readonly recoveryDeadline?: number;
  /** Further settings of the server that does it. */
  readonly settings?: Settings;
}

export interface Restored {
  readonly backup: string;
  readonly dataFolder: string;
  /** When the last transaction that is in it was committed; absent if none came after the backup began. */
  readonly reached?: Date | undefined;
  readonly tables: readonly TableChecksum[];
}

/** Leaves a data folder that the broker can start on. @throws CodedError, of errors.ts */
export async function restoreBackup(options: RestoreOptions): Promise<Restored> {
  const manifest = completeManifest(options.backup);
  const user = serverUser();
  const recovery = recoverySettings(manifest, options, user);
  const binaries = await programsOf(manifest.majorVersion, user);
  const dataFolder = emptyFolder(options.dataFolder);
  letThrough(dataFolder, user);
  const socketFolder = socketFolderOf(dataFolder, user);
  const disown = ownFolder(dataFolder, socketUrl(socketFolder));
  try {
    const { postgres, backups, archive } = foldersIn(dataFolder);
    await writeFiles(options.backup, manifest, postgres, user);
    makeBackupFolders({ backups, archive }, user);
    const server = await recover(
      {
        binaries,
        dataFolder: postgres,
        socketFolder,
        user: user && { uid: user.uid, gid: user.gid },
        settings: { ...recovery, ...options.settings },
        startTimeout: options.recoveryDeadline ?? 7_200_000,
      },
      options,
    );
    try {
      const found = await inspect(server.url);
      return { backup: manifest.id, dataFolder, ...found };
    } finally {
      await server.stop();
    }
  } finally {
    removeSocketFolder(socketFolder);
    disown();
  }
}

/** New or empty, or refused. */
function emptyFolder(dataFolder: string): string {
  if (existsSync(dataFolder) && readdirSync(dataFolder).length > 0) throw restoreFolderNotEmpty(dataFolder);
  return prepared(dataFolder);
}

/** The server repeats its log up to the target, then begins a timeline of its own and takes connections. */
function recoverySettings(
  manifest: Manifest,
  { until, archive = manifest.archive }: RestoreOptions,
  user: ServerUser | undefined,
): Settings {
  const settings = { archive_mode: 'off', hot_standby: 'off', recovery_target_action: quoted('promote') };
  if (until === undefined) {
    // All that it needs is in it.
    return { ...settings, restore_command: quoted('false'), recovery_target: quoted('immediate') };
  }
  if (archive === '' || !existsSync(archive)) {
    throw restoreTargetRefused(archive === '' ? 'this backup has no archive' : `the archive ${archive} is not there`);
  }
  // Segments that cannot be read look to the server as if the archive ended there.
  if (user && !mayRead(archive, user)) throw restoreTargetRefused(`${user.name} cannot read the archive ${archive}`);
  const fromArchive = { ...settings, restore_command: quoted(restoreCommand(archive)) };
  if (until === 'latest') return fromArchive;
  if (until.getTime() < Date.parse(manifest.finishedAt)) {
    throw restoreTargetRefused(`${until.toISOString()} is before the end of the backup, ${manifest.finishedAt}`);
  }
  return { ...fromArchive, recovery_target_time: quoted(until.toISOString().replace('Z', '+00')) };
}

/** The folder gets its name when it is whole. */
async function writeFiles(
  backup: string,
  manifest: Manifest,
  target: string,
  user: ServerUser | undefined,
): Promise<void> {
  const unfinished = `${target}.unfinished`;
  const give = (path: string) => user && chownSync(path, user.uid, user.gid);
  for (const folder of ['', ...manifest.folders]) {
    const path = join(unfinished, folder);
    mkdirSync(path, { recursive: true, mode: 0o700 });
    chmodSync(path, 0o700);
    give(path);
  }
  await forEach(manifest.files, async (file) => {
    const path = join(unfinished, file.path);
    const problem = await restoreFile(backup, file, path);
    if (problem) throw backupUnusable(basename(backup), `${file.path} ${problem}`);
    give(path);
  });
  configureFolder(unfinished);
  writeFileSync(join(unfinished, 'recovery.signal'), '');
  for (const name of ['recovery.signal', 'postgresql.conf', 'postgresql.auto.conf']) give(join(unfinished, name));
  await syncTree(unfinished);
  renameSync(unfinished, target);
  syncFolder(join(target, '..'));
}

async function recover(
  options: Parameters<typeof startEmbedded>[0],
  { until }: RestoreOptions,
): Promise<EmbeddedServer> {
  const lines: string[] = [];
  try {
    return await startEmbedded({ ...options, onLog: (line) => lines.push(line) });
  } catch (error) {
    if (!(error instanceof CodedError) || !lines.some((line) => line.includes('before configured recovery target'))) {
      throw error;
    }
    const last = lines.map((line) => /was at log time (.+)$/.exec(line)?.[1]).findLast((time) => time);
    const end = last ? `the archive ends with a transaction at ${last}` : 'the archive ends before';
    throw restoreTargetRefused(`${until instanceof Date ? until.toISOString() : ''} cannot be reached: ${end}`);
  }
}

async function inspect(url: string): Promise<Pick<Restored, 'reached' | 'tables'>> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000, query_timeout: 10_000 });
  await client.connect();
  const { rows } = await client.query('select pg_last_xact_replay_timestamp() as at');
  await client.end();
  const database = openDatabase({ url, maxConnections: 1 });
  try {
    return { reached: rows[0]?.at ?? undefined, tables: await tableChecksums(database.db) };
  } finally {
    await database.close();
  }
}
