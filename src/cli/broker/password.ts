// Asks for passwords without showing them; takes them from standard input, a line each, where that is no terminal.
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { wrongUsage } from '../errors.ts';

/** As the broker has it; said here before anything else is done. */
export const shortestPassword = 12;

/** The password, without the end of its line. @throws CodedError when there is none. */
export async function readPassword(prompt: string): Promise<string> {
  const [password = ''] = await readLines([prompt]);
  return password;
}

/** A password that is being set: at a terminal it is asked for twice. @throws CodedError when it cannot be one. */
export async function readNewPassword(prompt: string): Promise<string> {
  const prompts = process.stdin.isTTY ? [`${prompt}: `, 'Once more: '] : [`${prompt}: `];
  const [password = '', again = password] = await readLines(prompts);
  if (password !== again) throw wrongUsage('the two passwords are not the same');
  if (password.length < shortestPassword) throw wrongUsage(`a password has at least ${shortestPassword} characters`);
  return password;
}

/** The password that somebody has, and the one that they want. @throws CodedError */
export async function readPasswordChange(): Promise<{ current: string; wanted: string }> {
  const prompts = ['Current password: ', 'New password: ', ...(process.stdin.isTTY ? ['Once more: '] : [])];
  const [current = '', wanted = '', again = wanted] = await readLines(prompts);
  if (wanted !== again) throw wrongUsage('the two new passwords are not the same');
  if (wanted.length < shortestPassword) throw wrongUsage(`a password has at least ${shortestPassword} characters`);
  return { current, wanted };
}

/** A line for each prompt; one reader for all, for it reads ahead. */
async function readLines(prompts: readonly string[]): Promise<string[]> {
  const { stdin, stderr } = process;
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const reader = createInterface({ input: stdin, output: silent, terminal: stdin.isTTY === true });
  const { promise: interrupted, reject } = Promise.withResolvers<never>();
  interrupted.catch(() => undefined);
  reader.once('SIGINT', () => reject(wrongUsage('given up')));
  const lines = reader[Symbol.asyncIterator]();
  try {
    const answers: string[] = [];
    for (const prompt of prompts) {
      if (stdin.isTTY) stderr.write(prompt);
      const { value, done } = await Promise.race([lines.next(), interrupted]);
      if (stdin.isTTY) stderr.write('\n');
      if (done || value === '') throw wrongUsage('no password was given on standard input');
      answers.push(value);
    }
    return answers;
  } finally {
    reader.close();
  }
}
