// Runs one command line, and turns failures into one clear line and an exit code.
import { CommanderError } from 'commander';
import { CodedError } from '../daemon/errors.ts';
import { daemonCommands, isDaemonCommand } from './daemons.ts';
import { packageMissing } from './errors.ts';
import { exitCodeOf, exitCodes } from './exit-codes.ts';
import { remark } from './output.ts';

/** Runs the command to its end; returns the exit code. Never throws. */
export async function runCommandLine(argv: readonly string[]): Promise<number> {
  try {
    const [command, ...rest] = argv;
    if (isDaemonCommand(command)) return await daemonCommands[command].run(rest);
    const { createProgram } = await import('./program.ts');
    let exitCode: number = exitCodes.ok;
    const program = createProgram((code) => {
      exitCode = code;
    });
    await program.parseAsync(argv, { from: 'user' });
    return exitCode;
  } catch (error) {
    explain(error);
    return exitCodeOf(error);
  }
}

/** Writes what went wrong to standard error; commander has written its own errors already. */
function explain(failure: unknown): void {
  const thrown = missingPackage(failure) ?? failure;
  if (thrown instanceof CommanderError) return;
  if (thrown instanceof CodedError) {
    remark(`gpubroker: ${thrown.message} [${thrown.code}]`);
    remark(`  ${thrown.advice}`);
    return;
  }
  // Not foreseen: a fault of this program, where the stack helps.
  process.stderr.write(`gpubroker: ${thrown instanceof Error ? thrown.stack : String(thrown)}\n`);
}

/** What it means when a package cannot be found. */
function missingPackage(thrown: unknown): CodedError | undefined {
  if (!(thrown instanceof Error && 'code' in thrown && thrown.code === 'ERR_MODULE_NOT_FOUND')) return undefined;
  const [, name] = /^Cannot find package '([^']+)'/.exec(thrown.message) ?? [];
  return name === undefined ? undefined : packageMissing(name);
}
