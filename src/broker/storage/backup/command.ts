// Takes a backup by `gpubroker db backup` in a process of its own: compressing a large database holds up nobody here.
import { backupFailed } from '../errors.ts';
import { runOwnCommand } from '../own-command.ts';

export interface BackupCommand {
  /** The broker's data folder. */
  readonly dataFolder: string;
  readonly keepDays: number;
  /** The program with `db backup`; that of this process by default. */
  readonly program?: string;
}

/** Backups from which on the archive is kept, so that a restore can reach any time since the last but one. */
const archiveOf = 2;

/** @throws CodedError GPUB_BACKUP_FAILED with the last words of the command. */
export async function runBackupCommand(
  { dataFolder, keepDays, program }: BackupCommand,
  signal: AbortSignal,
): Promise<void> {
  const args = ['db', 'backup', `--data-dir=${dataFolder}`, `--keep-days=${keepDays}`, `--keep-archive=${archiveOf}`];
  const { GPUBROKER_DATABASE_URL: _ofAnother, ...env } = process.env;
  const reason = await runOwnCommand({ args, env, program }, signal);
  if (reason !== '') throw backupFailed(reason);
}
