// A server that outlived the broker that started it, which kill -9 ends without a word: stopped before another starts.
import { readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { orphanStays } from '../errors.ts';

/** One after the other, with milliseconds that each is given. */
const signals = [
  ['SIGINT', 30_000],
  ['SIGQUIT', 10_000],
  ['SIGKILL', 5000],
] as const;

/**
 * Stops the server that runs on the folder, if there is one. The caller owns the folder, so nobody uses it.
 * @returns whether there was one.
 * @throws CodedError GPUB_DATABASE_ORPHAN
 */
export async function stopOrphan(dataFolder: string): Promise<boolean> {
  const pid = serverOn(dataFolder);
  if (pid === undefined) return false;
  for (const [signal, timeout] of signals) {
    if (!send(pid, signal)) return true;
    const deadline = performance.now() + timeout;
    while (performance.now() < deadline) {
      if (serverOn(dataFolder) !== pid) return true;
      await sleep(20);
    }
  }
  throw orphanStays(pid);
}

/** The process of the server that runs on the folder: what its pid file names, if that works in this very folder. */
export function serverOn(dataFolder: string): number | undefined {
  try {
    const pid = Number(readFileSync(join(dataFolder, 'postmaster.pid'), 'utf8').split('\n', 1)[0]);
    if (!Number.isInteger(pid) || pid <= 1) return undefined;
    return readlinkSync(`/proc/${pid}/cwd`) === realpathSync(dataFolder) ? pid : undefined;
  } catch {
    return undefined;
  }
}

function send(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false;
  }
}
