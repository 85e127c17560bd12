// The lock of the data folder: two daemons that write there would destroy each other's state.
//
// It is a socket in the kernel's own name space, named after the folder: the kernel gives it back however its holder
// ends, which no file in the folder could. It holds within one network namespace, which the daemons of a node share
// unless they are put into pods of their own.
import { statSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { defineError } from '../../daemon/errors.ts';

const dataFolderInUse = defineError(
  'GPUB_DATA_DIR_IN_USE',
  (folder: string) => `data-dir: another daemon keeps its state in ${folder}`,
  () => 'Stop that daemon, or give this one another --data-dir.',
);

/**
 * Takes the lock of a folder that exists.
 *
 * @returns the function that gives it back
 * @throws CodedError when another process holds it
 */
export async function lockFolder(folder: string): Promise<() => void> {
  const { dev, ino } = statSync(folder);
  const server = createServer((connection) => connection.destroy());
  try {
    await listen(server, `\0gpubroker-data-${dev}-${ino}`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') throw dataFolderInUse(folder);
    throw error;
  }
  return () => server.close();
}

function listen(server: Server, name: string): Promise<void> {
  return new Promise((listening, failed) => {
    server.once('error', failed);
    server.listen(name, listening).unref();
  });
}
