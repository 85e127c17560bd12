// The exit codes of the command line, and which error means which.
import { CommanderError } from 'commander';
import { CodedError } from '../daemon/errors.ts';

export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  unreachable: 4,
  notReady: 5,
} as const;

/** For `--help`. */
export const exitCodesHelp = `
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 the daemon or broker cannot be reached,
5 (status only) the daemon is reachable but not ready.`;

const byErrorCode: Readonly<Record<string, number>> = {
  GPUB_USAGE: exitCodes.usage,
  GPUB_INVALID: exitCodes.usage,
  GPUB_GPU_NOT_FOUND: exitCodes.notFound,
  GPUB_NOT_MEASURED: exitCodes.notFound,
  GPUB_DAEMON_UNREACHABLE: exitCodes.unreachable,
  GPUB_DAEMON_LOST: exitCodes.unreachable,
  GPUB_DAEMON_DENIED: exitCodes.unreachable,
  GPUB_DAEMON_SILENT: exitCodes.unreachable,
  GPUB_BROKER_UNREACHABLE: exitCodes.unreachable,
  GPUB_NOT_FOUND: exitCodes.notFound,
};

/** The exit code that a thrown value stands for. */
export function exitCodeOf(thrown: unknown): number {
  // commander throws to end after --help too, with the exit code 0.
  if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  return thrown instanceof CodedError ? (byErrorCode[thrown.code] ?? exitCodes.failed) : exitCodes.failed;
}
