// Runs one program to its end and returns what it printed; its failure is an error that shows why.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { root } from './folders.ts';

const execute = promisify(execFile);

export async function runCommand(
  program: string,
  parameters: string[],
  environment: NodeJS.ProcessEnv = {},
): Promise<string> {
  const options = { cwd: root, env: { ...process.env, ...environment }, maxBuffer: 64 * 1024 * 1024 };
  try {
    return (await execute(program, parameters, options)).stdout;
  } catch (error) {
    const { stderr = '', message } = error as Error & { stderr?: string };
    throw new Error(`${program} failed: ${stderr.trim() || message}`);
  }
}
