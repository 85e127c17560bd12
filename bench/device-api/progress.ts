// Says on stderr what is being done, so that stdout holds only the result.
export function progress(message: string): void {
  process.stderr.write(`${message}\n`);
}
