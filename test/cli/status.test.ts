// `status` and `log-level`: how the daemon is, and what it logs.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { formatStatus } from '../../src/cli/status.ts';
import { GetStatusResponse } from '../../src/wire/gpubroker/device/v1/daemon.ts';
import { command } from './command.ts';
import { type NodeServer, startNodeServer } from './node-server.ts';

let node: NodeServer;

beforeAll(async () => {
  node = await startNodeServer();
});

afterAll(() => node.stop());

test('everything, in order', () => {
  const status = GetStatusResponse.fromPartial({
    daemon: 'agent',
    version: '1.2.3',
    nodeName: 'node-1',
    startTime: new Date(1000),
    ready: false,
    notReadyReasons: ['nvml: first enumeration is not complete'],
    warnings: ['state-file: disk full', 'clock: drifts'],
    resourceVersion: 42n,
    gpus: { total: 8, healthy: 6, unhealthy: 1, unknown: 1 },
    sources: [{ name: 'nvml', state: 'failed', message: 'no driver', devices: 8, restarts: 2 }],
    logLevel: 'info',
  });
  expect(formatStatus(status, 201_000)).toBe(`Daemon                agent 1.2.3 on node-1, up 3m 20s
Ready                 no
                      nvml: first enumeration is not complete
Warnings              state-file: disk full
                      clock: drifts
GPUs                  8: 6 healthy, 1 unhealthy, 1 unknown
Version of the cache  42
Log level             info

SOURCE  STATE   DEVICES  RESTARTS  MESSAGE
nvml    failed  8        2         no driver`);
});

test('ready is 0, not ready is 5', async () => {
  expect((await command('status', '--socket', node.socket)).code).toBe(0);
  node.status.ready = false;
  const { code, stdout } = await command('status', '--socket', node.socket, '--json');
  expect(code).toBe(5);
  expect(JSON.parse(stdout)).toMatchObject({ daemon: 'agent', ready: false, resourceVersion: 0 });
  node.status.ready = true;
});

test('the log level is shown and changed', async () => {
  const flags = ['--socket', node.socket];
  expect((await command('log-level', ...flags)).stdout).toBe('info\n');
  expect((await command('log-level', 'debug', ...flags)).stdout).toBe('log level debug, before info\n');
  expect(JSON.parse((await command('log-level', '--json', ...flags)).stdout)).toEqual({ level: 'debug' });
  expect(JSON.parse((await command('log-level', 'warn', '--json', ...flags)).stdout)).toEqual({
    level: 'warn',
    previous: 'debug',
  });
});
