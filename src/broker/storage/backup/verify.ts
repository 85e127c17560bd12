// Whether a backup is whole: every file of its manifest is there, and its bytes are those that were stored.
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../../daemon/errors.ts';
import { forEach, restoreFile } from './files.ts';
import { type Manifest, readManifest } from './manifest.ts';

export interface Verification {
  readonly state: 'sound' | 'incomplete' | 'damaged';
  /** One a file; empty when it is sound. */
  readonly problems: readonly string[];
  readonly files: number;
  /** Before compression. */
  readonly bytes: number;
}

/** Reads the whole backup. */
export async function verifyBackup(backup: string): Promise<Verification> {
  let manifest: Manifest | undefined;
  try {
    manifest = readManifest(backup);
  } catch (error) {
    return { state: 'damaged', problems: [messageOf(error)], files: 0, bytes: 0 };
  }
  if (!manifest) {
    return { state: 'incomplete', problems: ['it has no manifest: it was cut short'], files: 0, bytes: 0 };
  }
  const problems: string[] = [];
  await forEach(manifest.files, async (file) => {
    const problem = await restoreFile(backup, file);
    if (problem) problems.push(`${file.path} ${problem}`);
  });
  const known = new Set(manifest.files.map(({ path }) => `${path}.zst`));
  for (const found of globSync('**/*.zst', { cwd: join(backup, 'data') })) {
    if (!known.has(found)) problems.push(`${found} does not belong to it`);
  }
  const bytes = manifest.files.reduce((sum, { size }) => sum + size, 0);
  const state = problems.length === 0 ? 'sound' : 'damaged';
  return { state, problems: problems.sort(), files: manifest.files.length, bytes };
}
