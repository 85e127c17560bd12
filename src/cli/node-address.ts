// Where the node's daemon listens: a Unix socket, or a TCP address.
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseAddress } from '../daemon/address.ts';
import { userSocket } from '../daemon/user-paths.ts';
import { wrongUsage } from './errors.ts';

export type NodeAddress =
  | { readonly kind: 'socket'; readonly path: string }
  | { readonly kind: 'tcp'; readonly address: string; readonly caFile?: string };

export interface NodeAddressOptions {
  readonly socket?: string;
  /** HOST:PORT. */
  readonly address?: string;
  /** PEM file of the certificate authority; without it TCP is plain. */
  readonly tlsCa?: string;
}

const systemSocket = '/var/run/device-api/device.sock';

/**
 * The address that the options name, else `$GPUBROKER_SOCKET`, else the socket of this user's own daemon if there is
 * one, else the system's.
 * @throws CodedError if both a socket and an address are named, or the address is none.
 */
export function findNode(options: NodeAddressOptions, environment: NodeJS.ProcessEnv = process.env): NodeAddress {
  const { socket, address, tlsCa } = options;
  if (socket !== undefined && address !== undefined) throw wrongUsage('give --socket or --address, not both');
  if (address !== undefined) {
    if (!parseAddress(address)) throw wrongUsage(`--address: "${address}" is not HOST:PORT`);
    return { kind: 'tcp', address, ...(tlsCa !== undefined && { caFile: tlsCa }) };
  }
  if (tlsCa !== undefined) throw wrongUsage('--tls-ca only goes with --address');
  return { kind: 'socket', path: resolve(socket ?? (environment.GPUBROKER_SOCKET || defaultSocket(environment))) };
}

/** As a person would name it. */
export function describeNode(node: NodeAddress): string {
  return node.kind === 'socket' ? node.path : node.address;
}

function defaultSocket(environment: NodeJS.ProcessEnv): string {
  const own = userSocket(environment);
  return own && existsSync(own) ? own : systemSocket;
}
