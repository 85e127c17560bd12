// PostgreSQL in the broker's data folder: which programs, which user, which folders; owned by one process at a time.
import { chownSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Log } from '../../../daemon/logger.ts';
import { reachableBinaries } from './binaries.ts';
import { ownFolder } from './folder-owner.ts';
import { socketUrl } from './server.ts';
import { letThrough, type ServerUser, serverUser } from './server-user.ts';
import { archiveSettings, type Settings } from './settings.ts';
import { removeSocketFolder, socketFolderOf } from './socket-folder.ts';
import { type SupervisedServer, superviseEmbedded } from './supervisor.ts';

/** What lies where in a data folder. */
export function foldersIn(dataFolder: string) {
  const backups = join(dataFolder, 'backups');
  return { postgres: join(dataFolder, 'postgres'), backups, archive: join(backups, 'wal') };
}

/**
 * Starts the server of a data folder, which must exist, and keeps it running.
 * @throws CodedError, of errors.ts
 */
export async function openEmbedded(
  dataFolder: string,
  log: Log,
  { settings, abort }: { readonly settings?: Settings | undefined; readonly abort?: AbortSignal | undefined } = {},
): Promise<SupervisedServer> {
  const user = serverUser();
  letThrough(dataFolder, user);
  const binaries = await reachableBinaries(user);
  const { postgres, backups, archive } = foldersIn(dataFolder);
  makeBackupFolders({ backups, archive }, user);
  const socketFolder = socketFolderOf(dataFolder, user);
  const disown = ownFolder(dataFolder, socketUrl(socketFolder));
  const serverLog = log.child({ component: 'postgresql' });
  try {
    const server = await superviseEmbedded(
      {
        binaries,
        dataFolder: postgres,
        socketFolder,
        user: user && { uid: user.uid, gid: user.gid },
        settings: { ...archiveSettings(archive), ...settings },
        abort,
        onLog: (line) => serverLog[levelOf(line)](line),
      },
      log,
    );
    const stop = async () => {
      await server.stop();
      removeSocketFolder(socketFolder);
      disown();
    };
    return { url: server.url, pid: () => server.pid(), onState: (listener) => server.onState(listener), stop };
  } catch (error) {
    disown();
    throw error;
  }
}

/** Fatal to a connection are also a start and a stop, which are nothing to worry about. Repairs may take minutes. */
function levelOf(line: string): 'warn' | 'info' | 'debug' {
  if (/\bautomatic recovery in progress|\bredo in progress/.test(line)) return 'info';
  const isUsual = /the database system is|terminating connection/.test(line);
  return /\b(FATAL|PANIC):/.test(line) && !isUsual ? 'warn' : 'debug';
}

/** The backups are ours alone; into the archive among them the server writes. */
export function makeBackupFolders(
  { backups, archive }: { readonly backups: string; readonly archive: string },
  user: ServerUser | undefined,
): void {
  mkdirSync(backups, { recursive: true, mode: user ? 0o711 : 0o700 });
  mkdirSync(archive, { recursive: true, mode: 0o700 });
  if (user) chownSync(archive, user.uid, user.gid);
}
