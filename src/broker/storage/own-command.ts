// Runs a command of this program in a process of its own: what takes long or much memory holds up nobody here.
import { spawn } from 'node:child_process';
import { constants, setPriority } from 'node:os';

export interface OwnCommand {
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** The program; that of this process by default. */
  readonly program?: string | undefined;
}

/** Characters of what the command says when it fails. */
const longestReason = 500;

/** @returns '' when it is done; otherwise its last words, on one line */
export async function runOwnCommand(
  { args, env, program = process.argv[1] ?? '' }: OwnCommand,
  signal: AbortSignal,
): Promise<string> {
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
  return (await ended).replaceAll(/\s*\n\s*/g, ' | ');
}
