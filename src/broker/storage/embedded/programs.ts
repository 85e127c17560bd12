// The programs of a given major version of PostgreSQL: ours, or what the machine has installed.
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { programsMissing } from '../errors.ts';
import { embeddedMajorVersion, type PostgresBinaries, reachableBinaries } from './binaries.ts';
import type { ServerUser } from './server-user.ts';

/** @throws CodedError GPUB_DATABASE_PROGRAMS_MISSING */
export async function programsOf(majorVersion: number, user: ServerUser | undefined): Promise<PostgresBinaries> {
  if (majorVersion === embeddedMajorVersion) return reachableBinaries(user);
  const postgres = findProgram('postgres', majorVersion);
  const initdb = findProgram('initdb', majorVersion);
  if (!postgres || !initdb) throw programsMissing('postgres', String(majorVersion));
  return { postgres, initdb };
}

/** Where Debian, Red Hat and Alpine put a version's programs; on the path there is often one version only. */
export function findProgram(name: string, majorVersion: number): string | undefined {
  const folders = [
    `/usr/lib/postgresql/${majorVersion}/bin`,
    `/usr/pgsql-${majorVersion}/bin`,
    `/usr/libexec/postgresql${majorVersion}`,
  ];
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

/** The first program of that name on the path. */
export function onPath(name: string): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}
