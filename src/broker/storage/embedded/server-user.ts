// Whom PostgreSQL runs as. It refuses root, so a broker of root's runs it as another user, who needs a way to the files.
import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { folderUnreachable } from '../errors.ts';

export interface ServerUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** `postgres` if the machine has such a user, else `nobody`; `undefined` unless this process is root. */
export function serverUser(): ServerUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  return userNamed('postgres') ?? userNamed('nobody') ?? { name: 'nobody', uid: 65534, gid: 65534 };
}

function userNamed(name: string): ServerUser | undefined {
  try {
    const line = readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .find((entry) => entry.startsWith(`${name}:`));
    const [, , uid, gid] = line?.split(':') ?? [];
    return uid && gid ? { name, uid: Number(uid), gid: Number(gid) } : undefined;
  } catch {
    return undefined;
  }
}

/** What `spawn` needs to run as that user. */
export function asUser(user: ServerUser | undefined): { uid?: number; gid?: number } {
  return user ? { uid: user.uid, gid: user.gid } : {};
}

/**
 * Lets the user pass through the broker's own data folder, and makes sure that he gets there.
 * @throws CodedError GPUB_DATABASE_FOLDER_UNREACHABLE naming the first folder that he may not pass.
 */
export function letThrough(folder: string, user: ServerUser | undefined): void {
  if (!user) return;
  const { mode } = statSync(folder);
  if ((mode & 0o001) === 0) chmodSync(folder, (mode & 0o777) | 0o011);
  for (const step of trail(folder)) {
    if (!passes(step, user)) throw folderUnreachable(folder, user.name, step);
  }
}

/** The folders from the root down to this one. */
function trail(folder: string): string[] {
  const parent = dirname(folder);
  return parent === folder ? [folder] : [...trail(parent), folder];
}

/** Whether the user can list a folder and reach what lies in it. */
export function mayRead(folder: string, user: ServerUser): boolean {
  return tries('cd -- "$1" && ls . > /dev/null', folder, user);
}

function passes(folder: string, user: ServerUser): boolean {
  return tries('cd -- "$1"', folder, user);
}

/** Tried really, for access lists and mounts have their say too. */
function tries(script: string, folder: string, user: ServerUser): boolean {
  const { status } = spawnSync('/bin/sh', ['-c', script, 'sh', folder], {
    ...asUser(user),
    cwd: '/',
    stdio: 'ignore',
    timeout: 10_000,
  });
  return status === 0;
}
