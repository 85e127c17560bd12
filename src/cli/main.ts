// The `gpubroker` command: runs what its arguments ask for, and turns failures into one clear line and an exit code.
import { CommanderError } from 'commander';
import { CodedError } from '../daemon/errors.ts';
import { exitCodeOf } from './exit-codes.ts';
import { createProgram, daemonCommands, isDaemonCommand } from './program.ts';

/** Runs one command; sets the exit code of the process. */
async function main(argv: readonly string[]): Promise<void> {
  const [command, ...rest] = argv;
  if (isDaemonCommand(command)) {
    await daemonCommands[command].run(rest);
    return;
  }
  const program = createProgram((exitCode) => {
    process.exitCode = exitCode;
  });
  await program.parseAsync(argv, { from: 'user' });
}

/** Writes what went wrong. commander has already written its own errors. */
function explain(thrown: unknown): void {
  if (thrown instanceof CommanderError) return;
  if (thrown instanceof CodedError) {
    process.stderr.write(`gpubroker: ${thrown.message} [${thrown.code}]\n  ${thrown.advice}\n`);
    return;
  }
  // Not foreseen: a fault of this program, where the stack helps.
  process.stderr.write(`gpubroker: ${thrown instanceof Error ? thrown.stack : String(thrown)}\n`);
}

// `gpubroker gpus list | head -1` ends quietly when the reader has seen enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

await main(process.argv.slice(2)).catch((error: unknown) => {
  explain(error);
  process.exitCode = exitCodeOf(error);
});
