// Where the daemon of an ordinary user keeps its socket and its data; the command line looks there too.
import { lstatSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * The socket of this user's own daemon. Without a runtime folder of the session it lies under the folder for temporary
 * files; `undefined` when somebody else has taken the folder there, who could then answer in the daemon's place.
 */
export function userSocket(environment: NodeJS.ProcessEnv = process.env): string | undefined {
  if (environment.XDG_RUNTIME_DIR) return join(environment.XDG_RUNTIME_DIR, 'gpubroker', 'device.sock');
  const uid = process.getuid?.() ?? 0;
  const folder = join(tmpdir(), `gpubroker-${uid}`);
  const found = lstatSync(folder, { throwIfNoEntry: false });
  const isOurs = !found || (found.isDirectory() && found.uid === uid);
  return isOurs ? join(folder, 'device.sock') : undefined;
}

/** The data folder of this user's own daemon. */
export function userDataFolder(environment: NodeJS.ProcessEnv = process.env): string {
  return join(environment.XDG_DATA_HOME || join(homedir(), '.local', 'share'), 'gpubroker');
}
