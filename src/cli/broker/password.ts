// Asks for a password without showing it; takes it from standard input where that is no terminal.
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { wrongUsage } from '../errors.ts';

/** The password, without the end of its line. @throws CodedError when there is none. */
export async function readPassword(prompt: string): Promise<string> {
  const { stdin, stderr } = process;
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  if (stdin.isTTY) stderr.write(prompt);
  const lines = createInterface({ input: stdin, output: silent, terminal: stdin.isTTY === true });
  try {
    const line = await new Promise<string>((resolve, reject) => {
      lines.once('line', resolve);
      lines.once('close', () => reject(wrongUsage('no password was given on standard input')));
      lines.once('SIGINT', () => reject(wrongUsage('given up')));
    });
    if (stdin.isTTY) stderr.write('\n');
    return line;
  } finally {
    lines.close();
  }
}
