// Small files that are replaced as a whole: a crash at any moment leaves the old one or the new one.
import { closeSync, fsyncSync, openSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Writes a file beside its place, syncs it, and renames it: whoever reads finds the old one or the new one.
 *
 * @throws a system error; the old file stands then
 */
export function writeWhole(path: string, text: string, mode = 0o600): void {
  const file = openSync(`${path}.new`, 'w', mode);
  try {
    writeFileSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(`${path}.new`, path);
  const folder = openSync(dirname(path), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
