// Which daemon the command line talks to.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { describeNode, findNode } from '../../src/cli/node-address.ts';

test('a socket or an address by option', () => {
  const environment = { GPUBROKER_SOCKET: '/env.sock' };
  expect(findNode({ socket: '/x.sock' }, environment)).toEqual({ kind: 'socket', path: '/x.sock' });
  expect(findNode({ address: 'h:1', tlsCa: 'ca' }, environment)).toEqual({ kind: 'tcp', address: 'h:1', caFile: 'ca' });
  expect(describeNode({ kind: 'tcp', address: 'h:1' })).toBe('h:1');
});

test('then the environment', () => {
  expect(findNode({}, { GPUBROKER_SOCKET: '/env.sock' })).toEqual({ kind: 'socket', path: '/env.sock' });
});

test("then the user's own socket if it is there, then the system's", () => {
  const folder = mkdtempSync(join(tmpdir(), 'runtime-'));
  const system = { kind: 'socket', path: '/var/run/device-api/device.sock' };
  expect(findNode({}, { XDG_RUNTIME_DIR: folder })).toEqual(system);
  mkdirSync(join(folder, 'gpubroker'));
  writeFileSync(join(folder, 'gpubroker', 'device.sock'), '');
  expect(findNode({}, { XDG_RUNTIME_DIR: folder })).toEqual({
    kind: 'socket',
    path: join(folder, 'gpubroker', 'device.sock'),
  });
  expect(findNode({}, { GPUBROKER_SOCKET: '' })).toEqual(system);
  rmSync(folder, { recursive: true });
});
