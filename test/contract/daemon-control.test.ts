// DaemonControl: what the daemon says of itself, and its log level.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { version } from '../../src/daemon/version.ts';
import { type RunningCacheServer, startCacheServer } from '../fixtures/cache-server.ts';
import { connect } from '../fixtures/node-client.ts';

let server: RunningCacheServer;
beforeEach(async () => {
  server = await startCacheServer(['--node-name', 'node-7', '--grpc-address', '127.0.0.1:0']);
});
afterEach(() => server.remove());

async function create(name: string, ...conditions: { type: string; status: string }[]): Promise<void> {
  await server.client.ok('CreateGpu', { gpu: { metadata: { name }, spec: { uuid: name }, status: { conditions } } });
}

describe('GetStatus', () => {
  test('says what runs, since when, and how it is', async () => {
    const before = Date.now();
    const status = await server.client.ok<{ start_time: { seconds: string } }>('GetStatus', {});
    expect(status).toMatchObject({
      daemon: 'cache-server',
      version,
      node_name: 'node-7',
      ready: true,
      not_ready_reasons: [],
      warnings: [],
      resource_version: '0',
      gpus: { total: 0, healthy: 0, unhealthy: 0, unknown: 0 },
      sources: [],
      log_level: 'debug',
    });
    expect(Math.abs(Number(status.start_time.seconds) * 1000 - before)).toBeLessThan(60_000);
  });

  test('says why the daemon is not ready, and what else an operator should know', async () => {
    server.readiness.notReady('devices', 'the driver hangs');
    server.readiness.warn('state', 'the disk is full');
    expect(await server.client.ok('GetStatus', {})).toMatchObject({
      ready: false,
      not_ready_reasons: ['devices: the driver hangs'],
      warnings: ['state: the disk is full'],
    });
  });

  test('counts GPUs by health', async () => {
    await create('gpu-0', { type: 'Ready', status: 'True' });
    await create('gpu-1', { type: 'NVMLReady', status: 'False' });
    await create('gpu-2', { type: 'Ready', status: 'Unknown' });
    await create('gpu-3');
    expect(await server.client.ok('GetStatus', {})).toMatchObject({
      resource_version: '4',
      gpus: { total: 4, healthy: 1, unhealthy: 1, unknown: 2 },
    });
  });

  test('can be read over TCP', async () => {
    const client = connect(server.tcp);
    expect(await client.call('GetStatus', {})).toHaveProperty('ok');
    client.close();
  });
});

describe('SetLogLevel', () => {
  const callsLogged = () => server.logged.filter(({ msg }) => msg === 'call').length;

  test('takes effect at once, and answers with the level before', async () => {
    await server.client.ok('ListGpus', {});
    expect(callsLogged()).toBeGreaterThan(0);
    expect(await server.client.ok('SetLogLevel', { level: 'warn' })).toEqual({ previous: 'debug' });
    const quiet = callsLogged();
    await server.client.ok('ListGpus', {});
    expect(callsLogged()).toBe(quiet);
    expect(await server.client.ok('GetStatus', {})).toMatchObject({ log_level: 'warn' });
    expect(await server.client.ok('SetLogLevel', { level: 'debug' })).toEqual({ previous: 'warn' });
    await server.client.ok('ListGpus', {});
    expect(callsLogged()).toBeGreaterThan(quiet);
  });

  test('is itself logged', async () => {
    await server.client.ok('SetLogLevel', { level: 'trace' });
    expect(server.logged).toContainEqual(expect.objectContaining({ level: 'warn', from: 'debug', to: 'trace' }));
  });

  test.each(['', 'loud', 'DEBUG', 'silent', '__proto__', 'x'.repeat(10_000)])('refuses %j', async (level) => {
    expect(await server.client.call('SetLogLevel', { level })).toMatchObject({
      code: 'INVALID_ARGUMENT',
      details: expect.stringMatching(/^level: .*trace, debug, info/),
    });
    expect(await server.client.ok('GetStatus', {})).toMatchObject({ log_level: 'debug' });
  });

  test('is refused on TCP, which is read-only', async () => {
    const client = connect(server.tcp);
    expect(await client.call('SetLogLevel', { level: 'trace' })).toMatchObject({ code: 'PERMISSION_DENIED' });
    client.close();
    expect(await server.client.ok('GetStatus', {})).toMatchObject({ log_level: 'debug' });
  });
});

test('every call has a line in the log, at level debug, with request, GPU and provider', async () => {
  await create('gpu-0');
  const status = { conditions: [{ type: 'Ready', status: 'False' }] };
  await server.client.ok('UpdateGpuStatus', { name: 'gpu-0', status }, 'dcgm');
  await server.client.call('GetGpu', { name: 'gpu-none' });
  expect(server.logged).toContainEqual(
    expect.objectContaining({ method: 'UpdateGpuStatus', code: 'OK', gpu: 'gpu-0', provider: 'dcgm' }),
  );
  expect(server.logged).toContainEqual(
    expect.objectContaining({ method: 'GetGpu', code: 'NOT_FOUND', details: expect.stringContaining('gpu-none') }),
  );
});
