// Takes a snapshot by `gpubroker journal snapshot` in a process of its own: the whole state twice is not for the broker.
import { runOwnCommand } from '../storage/own-command.ts';

/**
 * @param databaseUrl given to the command in its environment, for it may hold a password
 * @throws Error with the last words of the command
 */
export async function runSnapshotCommand(databaseUrl: string, signal: AbortSignal, program?: string): Promise<void> {
  const env = { ...process.env, GPUBROKER_DATABASE_URL: databaseUrl };
  const reason = await runOwnCommand({ args: ['journal', 'snapshot'], env, program }, signal);
  if (reason !== '') throw new Error(`the snapshot of the market failed: ${reason}`);
}
