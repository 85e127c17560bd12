// Writes through to the disk: one file's name, or all that was written under a folder.
import { execFile } from 'node:child_process';
import { closeSync, fsyncSync, openSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** A name is on the disk when its folder is. */
export function syncFolder(folder: string): void {
  syncPath(folder);
}

/**
 * All files and names under a folder. In one call for the whole file system where `sync` can do that: a thousand small
 * files one by one take a busy disk half a minute.
 */
export async function syncTree(folder: string): Promise<void> {
  try {
    await promisify(execFile)('sync', ['-f', folder], { timeout: 300_000 });
  } catch {
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      if (entry.isFile() || entry.isDirectory()) syncPath(join(entry.parentPath, entry.name));
    }
    syncPath(folder);
  }
}

function syncPath(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
