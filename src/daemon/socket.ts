// A Unix socket's place in the file system: claimed from a dead process, never from a living one; given back at the end.
import { randomUUID } from 'node:crypto';
import { chmodSync, chownSync, lstatSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { defineError } from './errors.ts';

const socketInUse = defineError(
  'GPUB_SOCKET_IN_USE',
  (path: string, _option: string) => `another process serves ${path}`,
  (path, option) => `Stop it (\`fuser ${path}\` names it), or give this one another --${option}.`,
);

export const socketRefused = defineError(
  'GPUB_SOCKET_REFUSED',
  (path: string, reason: string, _option: string) => `cannot serve on ${path}: ${reason}`,
  (_path, _reason, option) => `Give --${option} a path in a folder that this user may write to.`,
);

const groupUnknown = defineError(
  'GPUB_GROUP_UNKNOWN',
  (group: string) => `socket-group: there is no group ${group}`,
  () => 'Give --socket-group a name from /etc/group or a number.',
);

/** How long another process may take to accept a connection before its socket counts as dead. */
const connectDeadlineMs = 1_000;

/**
 * Makes the path free to listen on: makes its folder (0755), removes the socket of a dead process.
 *
 * @param option the option that decides the path, for the advice of errors
 *
 * @throws CodedError when a living process serves it, or something else than a socket lies there
 */
export async function claimSocket(path: string, option = 'unix-socket'): Promise<void> {
  try {
    makeFolder(dirname(path));
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (!found) return;
    if (!found.isSocket()) throw socketRefused(path, 'a file that is no socket lies there', option);
    if (await isServed(path)) throw socketInUse(path, option);
    // Another daemon that starts at this moment may have taken the place meanwhile.
    if (socketInode(path) !== found.ino) throw socketInUse(path, option);
    rmSync(path, { force: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
    throw socketRefused(path, (error as Error).message, option);
  }
}

/** Sets who may connect to a socket that is listening. */
export function restrictSocket(path: string, mode: number, group: string): void {
  if (group !== '') chownSync(path, process.getuid?.() ?? 0, groupId(group));
  chmodSync(path, mode);
}

/** Removes the socket, unless another process has taken its place; `inode` is what it was when this one listened. */
export function removeSocket(path: string, inode: number): void {
  if (socketInode(path) === inode) rmSync(path, { force: true });
}

/**
 * Runs `close`, which stops listening on the path, and spares what another process has put there: Node unlinks whatever
 * lies under the name on which it listened.
 */
export function sparingOthers<T>(path: string, inode: number, close: () => T): T {
  const found = socketInode(path);
  if (found === undefined || found === inode) return close();
  const aside = `${path}.${randomUUID()}`;
  renameSync(path, aside);
  try {
    return close();
  } finally {
    renameSync(aside, path);
  }
}

/** The inode of a socket; `undefined` where there is none. */
export function socketInode(path: string): number | undefined {
  return lstatSync(path, { throwIfNoEntry: false })?.ino;
}

/** Makes a folder that everybody may look into, whatever the umask is. */
function makeFolder(folder: string): void {
  const umask = process.umask(0o022);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o755 });
  } finally {
    process.umask(umask);
  }
}

function isServed(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(path);
    const settle = (served: boolean) => {
      connection.destroy();
      resolve(served);
    };
    connection.once('connect', () => settle(true));
    connection.once('error', ({ code }: NodeJS.ErrnoException) => settle(code !== 'ECONNREFUSED' && code !== 'ENOENT'));
    // One that does not even accept is alive all the same.
    connection.setTimeout(connectDeadlineMs, () => settle(true));
  });
}

function groupId(group: string): number {
  if (/^\d+$/.test(group)) return Number(group);
  for (const line of readFileSync('/etc/group', 'utf8').split('\n')) {
    const [name, , id] = line.split(':');
    if (name === group) return Number(id);
  }
  throw groupUnknown(group);
}
