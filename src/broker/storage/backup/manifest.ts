// What a backup consists of: manifest.json, written last, so that a backup without one is incomplete.
import { createHash } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { backupUnusable } from '../errors.ts';
import { syncFolder, syncTree } from '../sync.ts';

/** One file of the data folder; stored compressed, described as it was. */
export interface StoredFile {
  /** From the data folder. */
  readonly path: string;
  /** Bytes, and their SHA-256 in hex, before compression. */
  readonly size: number;
  readonly sha256: string;
}

export interface Manifest {
  readonly format: 1;
  readonly id: string;
  readonly kind: 'embedded' | 'external';
  /** ISO 8601. A restore can reach no time before the end. */
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly serverVersion: string;
  readonly majorVersion: number;
  readonly systemIdentifier: string;
  /** Segments of the write-ahead log that the backup needs, which are in it. */
  readonly firstSegment: string;
  readonly lastSegment: string;
  /** The folder with all that were archived, for a restore to a later time; empty where the archive is not ours. */
  readonly archive: string;
  readonly migrations: readonly string[];
  readonly folders: readonly string[];
  readonly files: readonly StoredFile[];
}

const manifestName = 'manifest.json';

/** Where the file of a data folder lies in a backup. */
export function storedPath(backup: string, path: string): string {
  return join(backup, 'data', `${path}.zst`);
}

/** Makes the backup complete, once all that it consists of is on the disk. */
export async function writeManifest(backup: string, manifest: Manifest): Promise<void> {
  await syncTree(backup);
  const file = join(backup, manifestName);
  const draft = `${file}.part`;
  writeFileSync(draft, JSON.stringify({ ...manifest, sha256: digest(manifest) }, undefined, 1), {
    mode: 0o600,
    flush: true,
  });
  renameSync(draft, file);
  syncFolder(backup);
}

/** The manifest; `undefined` when the backup is incomplete. @throws CodedError GPUB_BACKUP_UNUSABLE if it is damaged. */
export function readManifest(backup: string): Manifest | undefined {
  let text: string;
  try {
    text = readFileSync(join(backup, manifestName), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const damaged = () => backupUnusable(basename(backup), 'its manifest is damaged');
  try {
    const { sha256, ...manifest } = JSON.parse(text) as Manifest & { sha256: string };
    if (sha256 !== digest(manifest)) throw damaged();
    return manifest;
  } catch {
    throw damaged();
  }
}

/** As {@link readManifest}. @throws CodedError GPUB_BACKUP_UNUSABLE also when the backup is incomplete. */
export function completeManifest(backup: string): Manifest {
  const manifest = readManifest(backup);
  if (!manifest) throw backupUnusable(basename(backup), 'it is incomplete: it was cut short');
  return manifest;
}

function digest(manifest: Manifest): string {
  return createHash('sha256').update(JSON.stringify(manifest)).digest('hex');
}
