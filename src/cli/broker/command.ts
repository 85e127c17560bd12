// How a command of the broker is made: the options that all have, and its work done with a client.
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Client } from '../../client/client.ts';
import { parseDuration } from '../../daemon/duration.ts';
import { type BrokerOptions, brokerCommand, withBroker } from './run.ts';

/** The values of a command's flags. */
export type Flags = BrokerOptions & Readonly<Record<string, unknown>> & { readonly limit: number };

/** Does the work of a command: the positional arguments come as texts, those of a list one after the other. */
type Run = (client: Client, json: boolean, flags: Flags, ...texts: string[]) => Promise<void>;

/** A command that calls the broker. */
export function command(parent: Command, usage: string, description: string, example: string, run: Run): Command {
  const made = brokerCommand(parent, usage, description, example);
  return made.action(async (...values: unknown[]) => {
    // commander gives the arguments, then the flags, then the command.
    const flags = made.opts<Flags>();
    const texts = values.flat().filter((value): value is string => typeof value === 'string');
    await withBroker(flags, (client, json) => run(client, json, flags, ...texts));
  });
}

/** A command that shows a list. */
export function listed(parent: Command, usage: string, description: string, example: string, run: Run): Command {
  const limit = new Option('--limit <number>', 'how many at most').default(100).argParser(countOf);
  return command(parent, usage, description, example, run).addOption(limit);
}

/** Without what is undefined. */
export function given<Query extends object>(query: { [Name in keyof Query]: Query[Name] | undefined }): Query {
  return Object.fromEntries(Object.entries(query).filter(([, value]) => value !== undefined)) as Query;
}

/** The value of a flag that takes a text. */
export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** Ten years, in milliseconds. */
const longest = 87_660 * 3_600_000;
/** The year 9999, the last that ISO 8601 writes with four digits. */
const latest = Date.UTC(9999, 11, 31);

/** For a flag that takes a time: ISO 8601, or how long ago, for instance `2h`. */
export function timeOf(text: string): string {
  const ago = parseDuration(text);
  const ms = ago === undefined ? Date.parse(text) : Date.now() - ago;
  if (Number.isNaN(ms) || Math.abs(ms) > latest)
    throw new InvalidArgumentError('Give a time like 2026-01-05T09:30:00Z, or how long ago, like 2h.');
  return new Date(ms).toISOString();
}

/** For a flag that takes a count. */
export function countOf(text: string): number {
  const count = /^\d{1,7}$/.test(text) ? Number(text) : 0;
  if (count < 1) throw new InvalidArgumentError('Give a whole number from 1 to 9999999.');
  return count;
}

/** For a flag that takes a duration; in milliseconds. */
export function durationOf(text: string): number {
  const ms = parseDuration(text);
  if (!ms || ms > longest) {
    throw new InvalidArgumentError('Give a duration with its unit, for instance 90s, 30m or 24h; ten years at most.');
  }
  return ms;
}
