// The folder of the database's socket: short, for the path of a socket has at most 107 bytes, and the server's alone,
// for whoever reaches the socket is let in.
import { createHash } from 'node:crypto';
import { chmodSync, chownSync, lstatSync, mkdirSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { messageOf } from '../../../daemon/errors.ts';
import { socketFolderMissing } from '../errors.ts';
import type { ServerUser } from './server-user.ts';

/** Bytes of a socket's path, without the zero that ends it. */
export const longestSocketPath = 107;

const socketName = '.s.PGSQL.5432';

/**
 * Makes the folder of the server of one data folder; it is the same after every start, so nothing is left over.
 * @throws CodedError GPUB_DATABASE_SOCKET_FOLDER
 */
export function socketFolderOf(
  dataFolder: string,
  user: ServerUser | undefined,
  parents: readonly string[] = usualParents(user),
): string {
  const name = `gpubroker-${createHash('sha256').update(dataFolder).digest('hex').slice(0, 12)}`;
  const problems: string[] = [];
  for (const parent of parents) {
    const folder = join(parent, name);
    const problem = tryFolder(folder, user);
    if (problem === undefined) return folder;
    problems.push(`${folder}: ${problem}`);
  }
  throw socketFolderMissing(problems.join('; '));
}

/** Removes the folder of a server that was stopped. */
export function removeSocketFolder(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // Not empty: the server was killed. The next start uses the folder again.
  }
}

/** The session's own folder is closed to other users, so it serves only who runs PostgreSQL as himself. */
function usualParents(user: ServerUser | undefined): string[] {
  const session = process.env.XDG_RUNTIME_DIR;
  return ['/run', ...(session && !user ? [session] : []), tmpdir(), '/tmp'];
}

/** Says why the folder will not do, or nothing. */
function tryFolder(folder: string, user: ServerUser | undefined): string | undefined {
  if (Buffer.byteLength(join(folder, socketName)) > longestSocketPath) return 'the path is too long';
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') return messageOf(error);
  }
  const found = lstatSync(folder);
  const ours = process.getuid?.() ?? 0;
  // Another user who made it first could answer in the server's place.
  if (!found.isDirectory() || (found.uid !== ours && found.uid !== user?.uid)) return 'it belongs to somebody else';
  if (user) chownSync(folder, user.uid, user.gid);
  chmodSync(folder, 0o700);
  return undefined;
}
