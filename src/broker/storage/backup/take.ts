// Takes a backup of the embedded server while it runs: tells the server, copies its files, adds the log that it needs.
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { CodedError, messageOf } from '../../../daemon/errors.ts';
import { backupFailed } from '../errors.ts';
import { syncFolder } from '../sync.ts';
import { listDataFolder } from './data-folder.ts';
import { forEach, storeBytes, storeFile } from './files.ts';
import { type Manifest, type StoredFile, writeManifest } from './manifest.ts';
import { segmentsBetween } from './segments.ts';
import { type ServerIdentity, serverIdentity } from './server-identity.ts';

export interface BackupOptions {
  readonly url: string;
  /** PostgreSQL's data folder. */
  readonly dataFolder: string;
  /** Where the server archives its log. */
  readonly archive: string;
  /** Where the backup gets a folder of its own. */
  readonly output: string;
  readonly now?: () => Date;
  /** Milliseconds for the server to archive what the backup needs. */
  readonly archiveDeadline?: number;
}

/** A backup that was taken. */
export interface TakenBackup {
  readonly folder: string;
  readonly manifest: Manifest;
}

/** @throws CodedError GPUB_BACKUP_FAILED. Nothing is left of it then. */
export async function takeBackup(options: BackupOptions): Promise<TakenBackup> {
  const { url, archiveDeadline = 300_000 } = options;
  const client = new pg.Client({
    connectionString: url,
    application_name: 'gpubroker backup',
    connectionTimeoutMillis: 10_000,
    statement_timeout: archiveDeadline,
    query_timeout: archiveDeadline + 5000,
  });
  let broken: Error | undefined;
  client.on('error', (error) => {
    broken = error;
  });
  try {
    await client.connect();
    return await copyWhile(client, options, () => broken);
  } catch (error) {
    throw error instanceof CodedError ? error : backupFailed(messageOf(error));
  } finally {
    // A backup that was not ended is given up by the server with its session.
    await client.end().catch(() => undefined);
  }
}

async function copyWhile(client: pg.Client, options: BackupOptions, broken: () => Error | undefined) {
  const { archive, output, now = () => new Date() } = options;
  const server = await serverIdentity(client);
  const started = now();
  const id = idOf(started);
  const folder = newFolder(output, id);
  startArchiving(archive);
  try {
    return { folder, manifest: await copyTo(folder, { client, server, started, id }, options, broken) };
  } catch (error) {
    // On a full disk it would be in the way of everything else.
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

interface Begun {
  readonly client: pg.Client;
  readonly server: ServerIdentity;
  readonly started: Date;
  readonly id: string;
}

async function copyTo(
  folder: string,
  { client, server, started, id }: Begun,
  { dataFolder, archive, output, now = () => new Date() }: BackupOptions,
  broken: () => Error | undefined,
): Promise<Manifest> {
  await client.query('select pg_backup_start($1, true)', [id]);
  const { files, folders } = listDataFolder(dataFolder);
  const stored: StoredFile[] = [];
  const copy = async (path: string) => {
    const lost = broken();
    if (lost) throw lost;
    const file = await storeFile(folder, path, join(dataFolder, path));
    if (file) stored.push(file);
  };
  await forEach(files.slice(0, -1), copy);
  stored.push(await storeControl(folder, dataFolder));
  const { rows } = await client.query(
    'select lsn, labelfile, pg_walfile_name(lsn) as last from pg_backup_stop(true) as stop(lsn, labelfile, map)',
  );
  const label = String(rows[0]?.labelfile);
  const segments = segmentsBetween(firstSegmentOf(label), String(rows[0]?.last), server.segmentSize);
  stored.push(await storeBytes(folder, 'backup_label', Buffer.from(label)));
  stored.push(...(await storeSegments(folder, archive, segments)));
  const manifest = manifestOf({
    id,
    kind: 'embedded',
    started,
    finished: now(),
    server,
    segments,
    archive,
    folders,
    stored,
  });
  await writeManifest(folder, manifest);
  syncFolder(output);
  return manifest;
}

interface BackupParts {
  readonly id: string;
  readonly kind: Manifest['kind'];
  readonly started: Date;
  readonly finished: Date;
  readonly server: ServerIdentity;
  readonly segments: readonly string[];
  readonly archive: string;
  readonly folders: readonly string[];
  readonly stored: readonly StoredFile[];
}

export function manifestOf(parts: BackupParts): Manifest {
  const { id, kind, started, finished, server, segments, archive, folders, stored } = parts;
  return {
    format: 1,
    id,
    kind,
    startedAt: started.toISOString(),
    finishedAt: finished.toISOString(),
    serverVersion: server.version,
    majorVersion: server.majorVersion,
    systemIdentifier: server.systemIdentifier,
    firstSegment: segments[0] ?? '',
    lastSegment: segments.at(-1) ?? '',
    archive,
    migrations: server.migrations,
    folders,
    files: stored.toSorted((a, b) => (a.path < b.path ? -1 : 1)),
  };
}

/** For instance `backup-20260102T030405678Z`. */
export function idOf(at: Date): string {
  return `backup-${at.toISOString().replaceAll(/[-:.]/g, '')}`;
}

/** Made by this call, so no two backups write into one. */
export function newFolder(output: string, id: string): string {
  mkdirSync(output, { recursive: true, mode: 0o700 });
  const folder = join(output, id);
  mkdirSync(folder, { mode: 0o700 });
  mkdirSync(join(folder, 'data'), { mode: 0o700 });
  return folder;
}

/** The first backup makes the archive wanted: see archiveCommand of embedded/settings.ts. */
function startArchiving(archive: string): void {
  const wanted = join(archive, 'wanted');
  // The folder is the server's: what it may have put there under this name is not followed.
  if (!existsSync(wanted)) closeSync(openSync(wanted, 'wx', 0o644));
  syncFolder(archive);
}

/** Read until it is twice the same: the server writes it now and then. */
async function storeControl(folder: string, dataFolder: string): Promise<StoredFile> {
  const read = () => readFileSync(join(dataFolder, 'global/pg_control'));
  let before = read();
  for (let now = read(); !now.equals(before); now = read()) before = now;
  return storeBytes(folder, 'global/pg_control', before);
}

/** From the archive: the server has said that they are there. */
async function storeSegments(folder: string, archive: string, segments: readonly string[]): Promise<StoredFile[]> {
  const stored: StoredFile[] = [];
  await forEach(segments, async (segment) => {
    const file = await storeFile(folder, `pg_wal/${segment}`, join(archive, `${segment}.gz`), { gzipped: true });
    if (!file) throw backupFailed(`segment ${segment} is not in the archive ${archive}`);
    stored.push(file);
  });
  return stored;
}

/** `START WAL LOCATION: 0/2000028 (file 000000010000000000000002)`. */
export function firstSegmentOf(label: string): string {
  const segment = /^START WAL LOCATION: \S+ \(file ([0-9A-F]{24})\)/m.exec(label)?.[1];
  if (!segment) throw backupFailed('the server gave a label that says no start');
  return segment;
}
