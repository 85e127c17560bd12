// Which daemon the command line talks to.
import { chmodSync, linkSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { describeNode, findNode } from '../../src/cli/node-address.ts';
import { NodeClient } from '../../src/cli/node-client.ts';

const system = '/var/run/device-api/device.sock';
let folder: string;
let own: string;
let environment: NodeJS.ProcessEnv;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'runtime-'));
  own = join(folder, 'gpubroker', 'device.sock');
  environment = { XDG_RUNTIME_DIR: folder };
  mkdirSync(join(folder, 'gpubroker'));
});

afterEach(() => rmSync(folder, { recursive: true }));

function listening(path: string): Promise<Server> {
  return new Promise((done) => {
    const server: Server = createServer().listen(path, () => done(server));
  });
}

/** A socket as a daemon that was killed leaves it behind. */
async function leaveBehind(path: string): Promise<void> {
  const server = await listening(`${path}.first`);
  linkSync(`${path}.first`, path);
  await new Promise((done) => server.close(done));
}

test('a socket or an address by option', async () => {
  const named = { GPUBROKER_SOCKET: '/env.sock' };
  expect(await findNode({ socket: '/x.sock' }, named)).toEqual({ kind: 'socket', path: '/x.sock' });
  const tcp = { kind: 'tcp', address: 'h:1', caFile: 'ca' };
  expect(await findNode({ address: 'h:1', tlsCa: 'ca' }, named)).toEqual(tcp);
  expect(describeNode({ kind: 'tcp', address: 'h:1' })).toBe('h:1');
});

test('then the environment, where an empty variable is none', async () => {
  expect(await findNode({}, { GPUBROKER_SOCKET: '/env.sock' })).toEqual({ kind: 'socket', path: '/env.sock' });
  expect(await findNode({}, { ...environment, GPUBROKER_SOCKET: '' })).toMatchObject({ path: system });
});

test("then the user's own socket if a daemon listens there", async () => {
  const server = await listening(own);
  expect(await findNode({}, environment)).toEqual({ kind: 'socket', path: own });
  server.close();
});

test("then the system's: where there is no own socket, or only one that was left behind", async () => {
  expect(await findNode({}, environment)).toEqual({ kind: 'socket', path: system, passedOver: `${own} (ENOENT)` });
  await leaveBehind(own);
  const node = await findNode({}, environment);
  expect(node).toEqual({ kind: 'socket', path: system, passedOver: `${own} (ECONNREFUSED)` });
});

test('a runtime folder with too long a path is passed over', async () => {
  expect(await findNode({}, { XDG_RUNTIME_DIR: `/${'long/'.repeat(30)}` })).toMatchObject({ path: system });
});

test("an own socket that may not be opened is not passed over for the system's", async () => {
  const server = await listening(own);
  chmodSync(own, 0o000);
  const isRoot = process.getuid?.() === 0;
  chmodSync(folder, 0o755);
  if (isRoot) process.seteuid?.(65534);
  try {
    expect(await findNode({}, environment)).toEqual({ kind: 'socket', path: own });
  } finally {
    if (isRoot) process.seteuid?.(0);
    server.close();
  }
});

test('what fails then names both', async () => {
  const path = join(folder, 'system.sock');
  const client = new NodeClient({ kind: 'socket', path, passedOver: `${own} (ECONNREFUSED)` }, 1000);
  await expect(client.getStatus()).rejects.toThrow(
    `no daemon listens on ${path} (ENOENT), nor on ${own} (ECONNREFUSED)`,
  );
  client.close();
});
