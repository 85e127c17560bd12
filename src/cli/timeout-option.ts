// The flag `--timeout` of every command that waits for an answer.
import { InvalidArgumentError, Option } from 'commander';
import { parseDuration } from '../daemon/duration.ts';

/** @param shown the default as people write it, for instance `5s` */
export function timeoutOption(shown: string): Option {
  return new Option('--timeout <duration>', 'longest wait for an answer')
    .default(parseDuration(shown), shown)
    .argParser(parseTimeout);
}

/** Milliseconds. */
function parseTimeout(text: string): number {
  const ms = parseDuration(text);
  if (!ms) throw new InvalidArgumentError('Give a duration with its unit, for instance 500ms, 5s or 1m.');
  return ms;
}
