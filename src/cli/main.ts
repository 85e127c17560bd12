// The `gpubroker` command, as a process.
import { runCommandLine } from './run.ts';

// `gpubroker gpus list | head -1` ends quietly when the reader has seen enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

process.exitCode = await runCommandLine(process.argv.slice(2));
