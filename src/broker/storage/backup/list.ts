// The backups in a folder, and which of them are kept.
import { existsSync, globSync, readdirSync, realpathSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { backupNotFound } from '../errors.ts';
import { type Manifest, readManifest } from './manifest.ts';
import { isBefore } from './segments.ts';

export interface ListedBackup {
  readonly id: string;
  readonly folder: string;
  readonly state: 'complete' | 'incomplete' | 'damaged';
  readonly manifest?: Manifest | undefined;
  /** As stored. */
  readonly bytes: number;
}

/** Newest first. */
export function listBackups(output: string): ListedBackup[] {
  return idsIn(output)
    .reverse()
    .map((id) => {
      const folder = join(output, id);
      return { id, folder, ...stateOf(folder), bytes: bytesIn(folder) };
    });
}

/** The newest complete backup. */
export function newestBackup(output: string): Manifest | undefined {
  for (const id of idsIn(output).reverse()) {
    const { manifest } = stateOf(join(output, id));
    if (manifest) return manifest;
  }
  return undefined;
}

/** Oldest first. */
function idsIn(output: string): string[] {
  if (!existsSync(output)) return [];
  return readdirSync(output)
    .filter((name) => /^backup-\d{8}T\d{9}Z$/.test(name))
    .sort();
}

/** The folder of a backup, named by its id or its path. @throws CodedError GPUB_BACKUP_NOT_FOUND */
export function findBackup(name: string, output: string): string {
  const folder = [join(output, name), name].find((path) => existsSync(join(path, 'data')));
  if (!folder) throw backupNotFound(name, output);
  return folder;
}

function stateOf(folder: string): Pick<ListedBackup, 'state' | 'manifest'> {
  try {
    const manifest = readManifest(folder);
    return manifest ? { state: 'complete', manifest } : { state: 'incomplete' };
  } catch {
    return { state: 'damaged' };
  }
}

function bytesIn(folder: string): number {
  return globSync('**', { cwd: folder, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce(
      (sum, { parentPath, name }) => sum + (statSync(join(parentPath, name), { throwIfNoEntry: false })?.size ?? 0),
      0,
    );
}

/** Which backups to keep: so many, or so many days. The newest complete one is always kept. */
export type Retention = ({ readonly keep: number } | { readonly keepDays: number }) & {
  /** The archive is kept from the beginning of so many backups on; of all by default. */
  readonly archiveOf?: number | undefined;
};

export interface Removed {
  readonly backups: readonly string[];
  /** Segments of the archive. */
  readonly segments: number;
}

const dayMs = 86_400_000;

/**
 * Removes old backups, incomplete ones that are a day old, and what the archive holds from before the oldest backup
 * that is left in `output` or beside the archive, or of those that `archiveOf` counts.
 */
export function removeOld(output: string, archive: string, retention: Retention, now: Date): Removed {
  const all = listBackups(output);
  const complete = all.filter(({ state }) => state === 'complete');
  const kept = new Set(complete.filter((backup, place) => place === 0 || isKept(backup, place, retention, now)));
  const old = all.filter((backup) => {
    if (backup.state === 'complete') return !kept.has(backup);
    return now.getTime() - (statSync(backup.folder, { throwIfNoEntry: false })?.mtimeMs ?? 0) > dayMs;
  });
  for (const { folder } of old) {
    // First, so that what a cut leaves is no backup.
    rmSync(join(folder, 'manifest.json'), { force: true });
    rmSync(folder, { recursive: true, force: true });
  }
  const left = [...kept, ...listBackups(join(archive, '..')).filter(({ state }) => state === 'complete')];
  return { backups: old.map(({ id }) => id), segments: removeSegments(archive, left, retention.archiveOf) };
}

function isKept({ manifest }: ListedBackup, place: number, retention: Retention, now: Date): boolean {
  if ('keep' in retention) return place < retention.keep;
  return now.getTime() - Date.parse(manifest?.finishedAt ?? '') <= retention.keepDays * dayMs;
}

/** @returns how many were removed: none, while no backup is known that was made from this archive's server. */
function removeSegments(archive: string, backups: readonly ListedBackup[], archiveOf = backups.length): number {
  if (!existsSync(archive)) return 0;
  const real = realpathSync(archive);
  const firsts = backups.flatMap(({ manifest }) => (manifest?.archive === real ? manifest.firstSegment : []));
  const newestFirst = [...new Set(firsts)].sort((a, b) => (isBefore(a, b) ? 1 : -1));
  const oldest = newestFirst.slice(0, archiveOf).at(-1);
  if (oldest === undefined) return 0;
  const segments = readdirSync(archive).filter((name) => /^[0-9A-F]{24}(\..*)?\.gz$/.test(name));
  const old = segments.filter((name) => isBefore(name, oldest));
  for (const name of old) rmSync(join(archive, name), { force: true });
  return old.length;
}
