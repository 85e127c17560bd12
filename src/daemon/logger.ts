// The log: structured lines on standard output, in JSON for programs or as text for people.
import { type DestinationStream, destination, type Logger, pino, stdTimeFunctions } from 'pino';
import { CodedError } from './errors.ts';
import type { LogLevel } from './log-levels.ts';
import { textLines } from './text-log.ts';

export type Log = Logger;

/** The log of one daemon, and the control of its level. */
export interface DaemonLog {
  readonly log: Log;
  level(): LogLevel;
  /** Takes effect at once, for the log and all its children. */
  setLevel(level: LogLevel): void;
}

interface LogOptions {
  readonly daemon: string;
  readonly node: string;
  readonly level: LogLevel;
  readonly format: 'json' | 'text';
  /** Standard output by default. */
  readonly output?: DestinationStream;
}

const secretNames = [
  'authorization',
  'apiKey',
  'credential',
  'onboardingToken',
  'password',
  'privateKey',
  'secret',
  'token',
];

/** Secrets are replaced wherever they are logged as a field, at the top or one or two levels below. */
const redact = { paths: secretNames.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: '[redacted]' };

/** Creates the log of a daemon. Make a child for a component or a GPU, not for a call: children are kept track of. */
export function createLog({ daemon, node, level, format, output = standardOutput() }: LogOptions): DaemonLog {
  let current = level;
  const children = new Set<WeakRef<Log>>();
  const log: Log = pino(
    {
      level,
      base: { daemon, node },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: describeError },
      redact,
      // A child of pino has a level of its own, so a change has to be carried to each.
      onChild: (child) => {
        children.add(new WeakRef(child));
      },
    },
    format === 'text' ? textLines(output) : output,
  );
  const setLevel = (next: LogLevel) => {
    current = next;
    log.level = next;
    for (const reference of children) {
      const child = reference.deref();
      if (child) child.level = next;
      else children.delete(reference);
    }
  };
  return { log, level: () => current, setLevel };
}

/**
 * Written at once, line by line: what was logged before a crash or `process.exit` is never lost in a buffer, and a
 * daemon of this kind writes too few lines for the system calls to matter.
 */
function standardOutput(): DestinationStream {
  const stream = destination({ dest: 1, sync: true });
  // A reader of the log that goes away is no reason to stop serving.
  stream.on('error', () => {});
  return stream;
}

/** An error that a person can act on needs no stack; any other is a fault of the program, and its stack helps. */
function describeError(thrown: unknown): unknown {
  if (!(thrown instanceof Error)) return { message: String(thrown) };
  const cause =
    thrown.cause instanceof Error && !isExplained(thrown.cause) ? { cause: describeError(thrown.cause) } : {};
  if (thrown instanceof CodedError) {
    return { code: thrown.code, message: thrown.message, advice: thrown.advice, ...cause };
  }
  const code = isExplained(thrown) ? { code: thrown.code } : {};
  return { type: thrown.name, message: thrown.message, ...code, ...cause, stack: thrown.stack };
}

/** Errors of this program and of the operating system have a code; their message says enough. */
function isExplained(error: Error): error is Error & { code: unknown } {
  return 'code' in error;
}
