// What the commands that talk to the daemon of this node have in common: their flags, and the connection.
import type { Command } from 'commander';
import { exitCodesHelp } from './exit-codes.ts';
import type { NodeAddressOptions } from './node-address.ts';
import type { NodeClient } from './node-client.ts';
import { timeoutOption } from './timeout-option.ts';

/** The flags of every such command. */
export interface NodeOptions extends NodeAddressOptions {
  readonly timeout: number;
  readonly json?: boolean;
}

/** A command that talks to the node's daemon. */
export function nodeCommand(parent: Command, usage: string, description: string, example: string): Command {
  return parent
    .command(usage)
    .description(description)
    .option('--socket <path>', "the daemon's socket (default: $GPUBROKER_SOCKET, this user's own, the system's)")
    .option('--address <host:port>', "the daemon's TCP address instead")
    .option('--tls-ca <file>', 'use TLS with --address, and trust this PEM file')
    .addOption(timeoutOption('5s'))
    .option('--json', 'print JSON for programs')
    .addHelpText('after', `${exitCodesHelp}\n\nExample:\n  ${example}`);
}

/** Connects to the daemon that the flags name, and closes the connection in the end. */
export async function withNode(options: NodeOptions, use: (client: NodeClient) => Promise<void>): Promise<void> {
  const { findNode } = await import('./node-address.ts');
  const node = await findNode(options);
  const { NodeClient } = await import('./node-client.ts');
  const client = new NodeClient(node, options.timeout);
  try {
    await use(client);
  } finally {
    client.close();
  }
}
