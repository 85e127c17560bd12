// Takes a backup by `gpubroker db backup` in a process of its own: compressing a large database holds up nobody here.
import { spawn } from 'node:child_process';
import { constants, setPriority } from 'node:os';
import { backupFailed } from '../errors.ts';

export interface BackupCommand {
  /** The broker's data folder. */
  readonly dataFolder: string;
  readonly keepDays: number;
  /** The program with `db backup`; that of this process by default. */
  readonly program?: string;
}

/** Backups from which on the archive is kept, so that a restore can reach any time since the last but one. */
const archiveOf = 2;
/** Characters of what the command says when it fails. */
const longestReason = 500;

/** @throws CodedError GPUB_BACKUP_FAILED with the last words of the command. */
export async function runBackupCommand(
  { dataFolder, keepDays, program = process.argv[1] ?? '' }: BackupCommand,
  signal: AbortSignal,
): Promise<void> {
  const args = ['db', 'backup', `--data-dir=${dataFolder}`, `--keep-days=${keepDays}`, `--keep-archive=${archiveOf}`];
  const { GPUBROKER_DATABASE_URL: _ofAnother, ...env } = process.env;
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'ignore', 'pipe'], env, signal });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = `${said}${text}`.slice(-longestReason);
  });
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, killed) => resolve(code === 0 ? '' : said.trim() || `it ended with ${killed ?? code}`));
  });
  try {
    if (child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_BELOW_NORMAL);
  } catch {
    // It has ended already.
  }
  const reason = await ended;
  if (reason !== '') throw backupFailed(reason.replaceAll(/\s*\n\s*/g, ' | '));
}
