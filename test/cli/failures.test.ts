// What goes wrong ends with one clear line, what to do next, and the exit code for it.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { command } from './command.ts';
import { type NodeServer, startNodeServer } from './node-server.ts';

let node: NodeServer;
let folder: string;

beforeAll(async () => {
  node = await startNodeServer();
  folder = mkdtempSync(join(tmpdir(), 'cli-'));
});

afterEach(() => {
  delete node.failure;
  node.silent = false;
});

afterAll(() => {
  node.stop();
  rmSync(folder, { recursive: true });
});

describe('wrong usage is 2', () => {
  test.each([
    [['gpus', 'lst'], "unknown command 'lst'\n(Did you mean list?)"],
    [['gpus', 'list', '--jsn'], "unknown option '--jsn'\n(Did you mean --json?)"],
    [['gpus', 'get'], "missing required argument 'name'"],
    [['gpus', 'list', 'more'], 'too many arguments'],
    [['status', '--timeout', '5'], "argument '5' is invalid. Give a duration with its unit"],
    [['status', '--address', 'nowhere'], '--address: "nowhere" is not HOST:PORT'],
    [['status', '--address', 'a:1', '--socket', 'b'], 'give --socket or --address, not both'],
    [['status', '--tls-ca', 'x'], '--tls-ca only goes with --address'],
    [['status', '--address', 'a:1', '--tls-ca', '/nowhere'], '--tls-ca: ENOENT'],
    [['log-level', 'loud'], 'Allowed choices are trace, debug, info, warn, error, fatal'],
    [['completion', 'csh'], 'Allowed choices are bash, zsh, fish'],
    [['config', 'print', '--bogus'], '--bogus: no such option'],
    [['gpus'], 'Usage: gpubroker gpus'],
    [[], 'Usage: gpubroker'],
  ])('%j', async (argv, expected) => {
    const { code, stderr, stdout } = await command(...argv);
    expect(stderr).toContain(expected);
    expect([code, stdout]).toEqual([2, '']);
  });
});

test('an unknown GPU is 3', async () => {
  const { code, stderr } = await command('gpus', 'get', 'gpu-x', '--socket', node.socket);
  expect(code).toBe(3);
  expect(stderr).toBe(
    'gpubroker: no GPU is named gpu-x [GPUB_GPU_NOT_FOUND]\n  `gpubroker gpus list` shows the names.\n',
  );
});

describe('a daemon that cannot be reached is 4', () => {
  test('no socket', async () => {
    const { code, stderr } = await command('status', '--socket', '/nowhere/device.sock');
    expect(code).toBe(4);
    expect(stderr).toContain('no daemon listens on /nowhere/device.sock (ENOENT)');
    expect(stderr).toContain('Start one with `gpubroker up`');
  });

  test('a file that is no socket', async () => {
    const file = join(folder, 'file.sock');
    writeFileSync(file, '');
    expect(await command('gpus', 'list', '--socket', file)).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('(ECONNREFUSED)'),
    });
  });

  test('a closed port', async () => {
    const { code, stderr } = await command('gpus', 'list', '--address', '127.0.0.1:1');
    expect(code).toBe(4);
    expect(stderr).toContain('no daemon listens on 127.0.0.1:1 (ECONNREFUSED)');
  });

  test('a daemon that does not answer in time', async () => {
    node.silent = true;
    const { code, stderr } = await command('status', '--timeout', '200ms', '--socket', node.socket);
    expect(code).toBe(4);
    expect(stderr).toContain('did not answer within 200ms');
  });

  test('a socket without permission', async () => {
    chmodSync(node.socket, 0o000);
    const asUser = process.getuid?.() === 0;
    // Root may open any socket: be somebody else for the moment.
    if (asUser) process.seteuid?.(65534);
    try {
      const { code, stderr } = await command('status', '--socket', node.socket);
      expect(code).toBe(4);
      expect(stderr).toContain('permission denied on');
      expect(stderr).toContain("member of the socket's group");
    } finally {
      if (asUser) process.seteuid?.(0);
      chmodSync(node.socket, 0o660);
    }
  });
});

describe('a daemon that refuses is 1', () => {
  test.each([
    [status.UNAVAILABLE, 'the state is being loaded', 'UNAVAILABLE', '`gpubroker status` shows'],
    [status.PERMISSION_DENIED, 'this address is read-only', 'PERMISSION_DENIED', 'Use the Unix socket'],
    [status.INTERNAL, 'broken', 'INTERNAL', '`gpubroker status` shows'],
  ])('%s', async (code, details, word, advice) => {
    node.failure = { code, details };
    const outcome = await command('gpus', 'list', '--socket', node.socket);
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toContain(`the daemon refused: ${details} (${word}) [GPUB_CALL_FAILED]`);
    expect(outcome.stderr).toContain(advice);
  });
});

test.each([
  [['--help'], 'gpubroker gpus list'],
  [['gpus', '--help'], 'Example:'],
  [['gpus', 'list', '--help'], 'Exit codes: 0 done'],
  [['status', '-h'], '5 (status only)'],
  [['config', 'print', '--help'], 'gpubroker config print agent'],
  [['completion', '--help'], 'Example:'],
  [['version', '--help'], 'Example:'],
])('%j is 0 and shows an example', async (argv, expected) => {
  const { code, stdout } = await command(...argv);
  expect(code).toBe(0);
  expect(stdout).toContain(expected);
  expect(stdout).toContain('Example');
});
