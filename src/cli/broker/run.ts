// Runs a command against the broker, and turns what the broker refuses into one clear line.
import type { Command } from 'commander';
import type { Client } from '../../client/client.ts';
import { ApiProblem, BrokerUnreachable } from '../../client/problem.ts';
import { CodedError } from '../../daemon/errors.ts';
import { brokerUnreachable } from '../errors.ts';
import { exitCodesHelp } from '../exit-codes.ts';
import { timeoutOption } from '../timeout-option.ts';
import type { ConnectionOptions } from './connection.ts';

export interface BrokerOptions extends ConnectionOptions {
  readonly json?: boolean;
}

/** A command that talks to the broker, with the options that all of them have. */
export function brokerCommand(parent: Command, usage: string, description: string, example: string): Command {
  return parent
    .command(usage)
    .description(description)
    .option('--broker <url>', "the broker's HTTP API (default: $GPUBROKER_API_URL, the login, this machine's)")
    .option('--api-key-file <file>', 'file with an API key (default: $GPUBROKER_API_KEY, the login)')
    .option('--ca <file>', 'trust this PEM file as well')
    .addOption(timeoutOption('30s'))
    .option('--json', 'print JSON for programs')
    .addHelpText('after', `${exitCodesHelp}\n\nExample:\n  ${example}`);
}

/** A group of such commands. */
export function brokerGroup(program: Command, name: string, description: string, example: string): Command {
  return program
    .command(name)
    .helpCommand(false)
    .description(description)
    .addHelpText('after', `\nExample:\n  ${example}`);
}

/** @throws CodedError for whatever the broker refuses, or when it cannot be reached. */
export async function withBroker<Result>(
  options: BrokerOptions,
  use: (client: Client, json: boolean) => Promise<Result>,
): Promise<Result> {
  const { connectToBroker } = await import('./connection.ts');
  return explained(async () => use(connectToBroker(options), options.json ?? false));
}

/** Runs `act`; what the broker says becomes an error for people. */
export async function explained<Result>(act: () => Promise<Result>): Promise<Result> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof BrokerUnreachable) throw brokerUnreachable(error.message);
    if (error instanceof ApiProblem) throw toCodedError(error);
    throw error;
  }
}

function toCodedError(problem: ApiProblem): CodedError {
  const { field, message, status } = problem;
  // A refusal of a value names its field already.
  const where = field === undefined || message.includes(field) ? '' : ` (${field})`;
  return new CodedError(problem.code || `HTTP ${status}`, message + where, adviceFor(problem));
}

function adviceFor({ status, allowed, retryAfter, requestId }: ApiProblem): string {
  if (status === 401) return 'Sign in again: `gpubroker login`.';
  if (status === 403) return 'Use an account or an API key that may do this; `gpubroker whoami` shows which this is.';
  if (status === 404) return 'See that the id is right and belongs to your account.';
  if (retryAfter !== undefined) return `Try again in ${retryAfter} s.`;
  if (allowed !== undefined) return `Give ${allowed}.`;
  if (status === 409) return 'Look at it as it is now; the broker has changed nothing.';
  return requestId === undefined
    ? '--help shows what this command takes.'
    : `The broker calls it request ${requestId}.`;
}
