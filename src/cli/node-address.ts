// Where the node's daemon listens: a Unix socket, or a TCP address.
import { connect } from 'node:net';
import { resolve } from 'node:path';
import { parseAddress } from '../daemon/address.ts';
import { userSocket } from '../daemon/user-paths.ts';
import { wrongUsage } from './errors.ts';

export type NodeAddress =
  | {
      readonly kind: 'socket';
      readonly path: string;
      /** The socket that was looked at first, where nobody listens, and how that showed. */
      readonly passedOver?: string;
    }
  | { readonly kind: 'tcp'; readonly address: string; readonly caFile?: string };

export interface NodeAddressOptions {
  readonly socket?: string;
  /** HOST:PORT. */
  readonly address?: string;
  /** PEM file of the certificate authority; without it TCP is plain. */
  readonly tlsCa?: string;
}

const systemSocket = '/var/run/device-api/device.sock';

/** What a connection to a socket says when nobody listens there: it is not there, was left behind, or cannot be one. */
const nobodyListens = new Set(['ENOENT', 'ENOTDIR', 'ECONNREFUSED', 'EINVAL', 'ENAMETOOLONG']);

/**
 * The address that the options name, else `$GPUBROKER_SOCKET`, else the socket of this user's own daemon if one
 * listens there, else the system's.
 * @throws CodedError if both a socket and an address are named, or the address is none.
 */
export async function findNode(
  options: NodeAddressOptions,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<NodeAddress> {
  const { socket, address, tlsCa } = options;
  if (socket !== undefined && address !== undefined) throw wrongUsage('give --socket or --address, not both');
  if (address !== undefined) {
    if (!parseAddress(address)) throw wrongUsage(`--address: "${address}" is not HOST:PORT`);
    return { kind: 'tcp', address, ...(tlsCa !== undefined && { caFile: tlsCa }) };
  }
  if (tlsCa !== undefined) throw wrongUsage('--tls-ca only goes with --address');
  const named = socket ?? environment.GPUBROKER_SOCKET;
  return named ? { kind: 'socket', path: resolve(named) } : firstListening(userSocket(environment));
}

/** A daemon that was killed leaves its socket behind: only a connection shows whether it lives. */
async function firstListening(own: string | undefined): Promise<NodeAddress> {
  if (own === undefined) return { kind: 'socket', path: systemSocket };
  const problem = await connectionProblem(own);
  if (problem === undefined || !nobodyListens.has(problem)) return { kind: 'socket', path: own };
  return { kind: 'socket', path: systemSocket, passedOver: `${own} (${problem})` };
}

/** The code of the error that a connection gives; undefined where there is none. */
function connectionProblem(path: string): Promise<string | undefined> {
  return new Promise((done) => {
    const connection = connect(path, () => {
      connection.destroy();
      done(undefined);
    });
    connection.on('error', (error: NodeJS.ErrnoException) => done(error.code ?? error.message));
  });
}

/** As a person would name it. */
export function describeNode(node: NodeAddress): string {
  return node.kind === 'socket' ? node.path : node.address;
}
