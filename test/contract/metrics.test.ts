// Every metric of the cache server is moved by what it counts.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { version } from '../../src/daemon/version.ts';
import { newFolder, type RunningCacheServer, startCacheServer } from '../fixtures/cache-server.ts';
import { connect } from '../fixtures/node-client.ts';

const prefix = 'device_api_server_';
const gpuService = 'nvidia.device.v1alpha1.GpuService';

let server: RunningCacheServer;
beforeEach(async () => {
  server = await startCacheServer();
});
afterEach(() => server.remove());

function ours(name: string, labels?: Record<string, string>): Promise<number> {
  return server.metric(prefix + name, labels);
}

function create(name: string, conditions: Record<string, string> = {}, provider?: string): Promise<unknown> {
  return server.client.ok(
    'CreateGpu',
    { gpu: { metadata: { name }, spec: { uuid: name }, ...of(conditions) } },
    provider,
  );
}

function report(name: string, conditions: Record<string, string>, provider?: string): Promise<unknown> {
  return server.client.ok('UpdateGpuStatus', { name, ...of(conditions) }, provider);
}

function of(conditions: Record<string, string>): object {
  return { status: { conditions: Object.entries(conditions).map(([type, status]) => ({ type, status })) } };
}

test('these are all: each has its test below', async () => {
  const names = server.registry.getMetricsAsArray().map(({ name }) => name);
  expect(names.sort()).toEqual(
    [
      'cache_gpus_healthy',
      'cache_gpus_total',
      'cache_gpus_unhealthy',
      'cache_gpus_unknown',
      'cache_lock_contention_total',
      'cache_lock_wait_seconds',
      'cache_resource_version',
      'cache_updates_total',
      'info',
      'provider_connection_state',
      'provider_gpus_managed',
      'provider_heartbeat_timeout_total',
      'provider_heartbeat_total',
      'provider_last_heartbeat_timestamp_seconds',
      'state_file_damaged_total',
      'state_file_failures_total',
      'state_file_missing_changes',
      'watch_events_dropped_total',
      'watch_events_total',
      'watch_streams_active',
    ]
      .map((name) => prefix + name)
      .concat('grpc_server_handled_total', 'grpc_server_handling_seconds', 'grpc_server_started_total'),
  );
});

test('info says which version runs', async () => {
  expect(await ours('info', { version, node_version: process.version })).toBe(1);
});

describe('calls', () => {
  const calls = (metric: string, grpc_method: string, more: object = {}) =>
    server.metric(`grpc_server_${metric}`, { grpc_service: gpuService, grpc_method, ...more });

  test('that began are counted from the first on, by service, method and type', async () => {
    expect(await server.registry.metrics()).toContain(
      `grpc_server_started_total{grpc_type="unary",grpc_service="${gpuService}",grpc_method="GetGpu"} 0`,
    );
    await create('gpu-0');
    for (let i = 0; i < 3; i += 1) await server.client.ok('GetGpu', { name: 'gpu-0' });
    await server.client.ok('ListGpus', {});
    expect(await calls('started_total', 'GetGpu', { grpc_type: 'unary' })).toBe(3);
    expect(await calls('started_total', 'ListGpus')).toBe(1);
    expect(await calls('started_total', 'CreateGpu')).toBe(1);
    const watching = server.client.watch('WatchGpus');
    await watching.until(1);
    expect(await calls('started_total', 'WatchGpus', { grpc_type: 'server_stream' })).toBe(1);
    expect(await calls('handled_total', 'WatchGpus')).toBe(0);
    watching.cancel();
    await vi.waitFor(async () => expect(await calls('handled_total', 'WatchGpus')).toBe(1));
  });

  test('that ended are counted by code, each once', async () => {
    await create('gpu-0', { Ready: 'True' }, 'nvml');
    await server.client.call('GetGpu', { name: 'gpu-0' });
    await server.client.call('GetGpu', { name: 'gpu-none' });
    await server.client.call('GetGpu', {});
    await server.client.call('GetGpu', { name: 'gpu-0', opts: { resource_version: '99' } });
    await server.client.call('UpdateGpuStatus', { name: 'gpu-0', status: {}, resource_version: 99 });
    await server.client.call('UpdateGpuStatus', { name: 'gpu-0', ...of({ Ready: 'False' }) }, 'dcgm');
    const byCode = { OK: 1, NotFound: 1, InvalidArgument: 1, OutOfRange: 1 };
    for (const [grpc_code, count] of Object.entries(byCode)) {
      expect([grpc_code, await calls('handled_total', 'GetGpu', { grpc_code })]).toEqual([grpc_code, count]);
    }
    expect(await calls('handled_total', 'GetGpu')).toBe(4);
    expect(await calls('handled_total', 'UpdateGpuStatus', { grpc_code: 'Aborted' })).toBe(1);
    expect(await calls('handled_total', 'UpdateGpuStatus', { grpc_code: 'FailedPrecondition' })).toBe(1);
    expect(await calls('handled_total', 'UpdateGpuStatus')).toBe(2);
  });

  test('are timed: a histogram whose buckets add up', async () => {
    await create('gpu-0');
    for (let i = 0; i < 20; i += 1) await server.client.ok('GetGpu', { name: 'gpu-0' });
    expect(await calls('handling_seconds_count', 'GetGpu')).toBe(20);
    const sum = await calls('handling_seconds_sum', 'GetGpu');
    expect(sum).toBeGreaterThan(0);
    expect(sum).toBeLessThan(20);
    const buckets: number[] = [];
    for (const le of [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, '+Inf']) {
      buckets.push(await calls('handling_seconds_bucket', 'GetGpu', { le: String(le) }));
    }
    expect(buckets).toEqual([...buckets].sort((a, b) => a - b));
    expect(buckets.at(-1)).toBe(20);
    expect(await server.registry.metrics()).toContain('# TYPE grpc_server_handling_seconds histogram');
  });

  test('over every address are counted together', async () => {
    await server.remove();
    server = await startCacheServer(['--grpc-address', '127.0.0.1:0']);
    const tcp = connect(server.tcp);
    await tcp.ok('ListGpus', {});
    await server.client.ok('ListGpus', {});
    tcp.close();
    expect(await calls('started_total', 'ListGpus')).toBe(2);
    expect(await calls('handled_total', 'ListGpus', { grpc_code: 'OK' })).toBe(2);
  });
});

describe('GPUs', () => {
  const counts = async () => ({
    total: await ours('cache_gpus_total'),
    healthy: await ours('cache_gpus_healthy'),
    unhealthy: await ours('cache_gpus_unhealthy'),
    unknown: await ours('cache_gpus_unknown'),
  });

  test.each([
    ['Ready=True', { Ready: 'True' }, 'healthy'],
    ['Ready=False', { Ready: 'False' }, 'unhealthy'],
    ['Ready=Unknown', { Ready: 'Unknown' }, 'unknown'],
    ['no condition', {}, 'unknown'],
    ['NVMLReady=False alone', { NVMLReady: 'False' }, 'unhealthy'],
    ['NVMLReady=True alone', { NVMLReady: 'True' }, 'unknown'],
    ['NVMLReady=False beside Ready=True', { Ready: 'True', NVMLReady: 'False' }, 'unhealthy'],
    ['DCGMHealth=Unknown beside Ready=True', { Ready: 'True', DCGMHealth: 'Unknown' }, 'unknown'],
    ['Degraded=True beside Ready=True', { Ready: 'True', Degraded: 'True' }, 'unhealthy'],
    ['Degraded=False beside Ready=True', { Ready: 'True', Degraded: 'False' }, 'healthy'],
    ['a type that only informs', { Ready: 'True', MIGEnabled: 'True' }, 'healthy'],
  ])('with %s are counted so', async (_what, conditions, health) => {
    await create('gpu-0', conditions);
    expect(await counts()).toEqual({ total: 1, healthy: 0, unhealthy: 0, unknown: 0, [health]: 1 });
  });

  test('are counted as they are now', async () => {
    await create('gpu-0', { Ready: 'True' });
    await create('gpu-1', { Ready: 'True' });
    expect(await counts()).toEqual({ total: 2, healthy: 2, unhealthy: 0, unknown: 0 });
    await report('gpu-0', { Ready: 'False' });
    expect(await counts()).toEqual({ total: 2, healthy: 1, unhealthy: 1, unknown: 0 });
    await server.client.ok('DeleteGpu', { name: 'gpu-0' });
    expect(await counts()).toEqual({ total: 1, healthy: 1, unhealthy: 0, unknown: 0 });
  });

  test('are counted for each provider that owns conditions on them', async () => {
    await create('gpu-0', { Ready: 'True' }, 'nvml');
    await create('gpu-1', { Ready: 'True' }, 'nvml');
    await report('gpu-1', { DCGMHealth: 'True' }, 'dcgm');
    expect(await ours('provider_gpus_managed', { provider_id: 'nvml' })).toBe(2);
    expect(await ours('provider_gpus_managed', { provider_id: 'dcgm' })).toBe(1);
    await report('gpu-1', {}, 'dcgm');
    expect(await ours('provider_gpus_managed', { provider_id: 'dcgm' })).toBe(0);
  });
});

describe('the cache', () => {
  test('shows its version', async () => {
    await create('gpu-0');
    await report('gpu-0', { Ready: 'True' });
    expect(await ours('cache_resource_version')).toBe(2);
    await server.client.ok('DeleteGpu', { name: 'gpu-0' });
    expect(await ours('cache_resource_version')).toBe(3);
  });

  test('counts writes that succeeded, by operation and provider', async () => {
    await create('gpu-0', {}, 'nvml');
    await report('gpu-0', { Ready: 'True' }, 'nvml');
    await report('gpu-0', { Ready: 'True' }, 'nvml');
    await report('gpu-0', { DCGMHealth: 'True' });
    await server.client.ok('UpdateGpu', { gpu: { metadata: { name: 'gpu-0' }, spec: { uuid: 'x' } } }, 'nvml');
    await server.client.call('DeleteGpu', { name: 'gpu-none' }, 'nvml');
    await server.client.ok('DeleteGpu', { name: 'gpu-0' }, 'dcgm');
    const counted = [
      ['create', 'nvml', 1],
      ['status', 'nvml', 2],
      ['status', 'default', 1],
      ['update', 'nvml', 1],
      ['delete', 'nvml', 0],
      ['delete', 'dcgm', 1],
    ] as const;
    for (const [operation, provider, count] of counted) {
      const labels = { operation, provider };
      expect([operation, provider, await ours('cache_updates_total', labels)]).toEqual([operation, provider, count]);
    }
  });

  test('keeps the number of providers in its labels bounded', async () => {
    await create('gpu-0', {}, 'first');
    for (let i = 0; i < 70; i += 1) await report('gpu-0', {}, `provider-${i}`);
    expect(await ours('cache_updates_total', { provider: 'other' })).toBe(7);
    expect(await ours('cache_updates_total')).toBe(71);
  });

  test('counts and times reads and writes that had to wait for a write', async () => {
    await create('gpu-0');
    expect(await ours('cache_lock_contention_total')).toBe(0);
    await vi.waitFor(async () => {
      const calls = Array.from({ length: 200 }, (_, i) =>
        i % 2 === 0
          ? report('gpu-0', { Ready: i % 4 === 0 ? 'True' : 'False' })
          : server.client.ok('GetGpu', { name: 'gpu-0' }),
      );
      await Promise.all(calls);
      expect(await ours('cache_lock_contention_total')).toBeGreaterThan(10);
    });
    const waits = await ours('cache_lock_contention_total');
    expect(await ours('cache_lock_wait_seconds_count')).toBe(waits);
    expect(await ours('cache_lock_wait_seconds_sum')).toBeGreaterThan(0);
    expect(await ours('cache_lock_wait_seconds_bucket', { le: '+Inf' })).toBe(waits);
  });
});

describe('watches', () => {
  test('are counted while they stand', async () => {
    const watches = [server.client.watch('WatchGpus'), server.client.watch('WatchGpus')];
    await vi.waitFor(async () => expect(await ours('watch_streams_active')).toBe(2));
    watches[0]?.cancel();
    await vi.waitFor(async () => expect(await ours('watch_streams_active')).toBe(1));
    watches[1]?.cancel();
    await vi.waitFor(async () => expect(await ours('watch_streams_active')).toBe(0));
  });

  test('have their events counted by type, once for each watcher', async () => {
    await create('gpu-0');
    const first = server.client.watch('WatchGpus');
    const second = server.client.watch('WatchGpus');
    await Promise.all([first.until(1), second.until(1)]);
    await create('gpu-1');
    await report('gpu-1', { Ready: 'True' });
    await server.client.ok('DeleteGpu', { name: 'gpu-1' });
    await Promise.all([first.until(4), second.until(4)]);
    expect(await ours('watch_events_total', { type: 'ADDED' })).toBe(4);
    expect(await ours('watch_events_total', { type: 'MODIFIED' })).toBe(2);
    expect(await ours('watch_events_total', { type: 'DELETED' })).toBe(2);
    const resumed = server.client.watch('WatchGpus', { opts: { resource_version: '1' } });
    await resumed.until(3);
    expect(await ours('watch_events_total', { type: 'ADDED' })).toBe(5);
    expect(await ours('watch_events_total')).toBe(11);
    for (const watching of [first, second, resumed]) watching.cancel();
  });

  test('that were cut have the events counted that they did not get', async () => {
    await server.remove();
    server = await startCacheServer(['--watch-queue-size', '3']);
    await create('gpu-0');
    const watching = server.client.watch('WatchGpus');
    await watching.until(1);
    watching.stream.pause();
    const message = 'x'.repeat(32_000);
    for (let i = 0; i < 100 && (await ours('watch_streams_active')) > 0; i += 1) {
      const conditions = [{ type: 'Ready', status: 'True', reason: `${i}`, message }];
      await server.client.ok('UpdateGpuStatus', { name: 'gpu-0', status: { conditions } });
    }
    expect(await ours('watch_events_dropped_total')).toBe(4);
    watching.stream.resume();
    expect(await watching.ended).toBe('RESOURCE_EXHAUSTED');
  });
});

describe('registered providers', () => {
  const register = (id: string, millis: number) =>
    server.client.ok('Register', { heartbeat_interval_millis: millis }, id);
  const values = async (provider_id: string) => ({
    state: await ours('provider_connection_state', { provider_id }),
    beats: await ours('provider_heartbeat_total', { provider_id }),
    timeouts: await ours('provider_heartbeat_timeout_total', { provider_id }),
  });

  test('are shown with their state, their beats and their silences', async () => {
    await create('gpu-0');
    await register('dcgm', 200);
    expect(await values('dcgm')).toEqual({ state: 1, beats: 1, timeouts: 0 });
    await server.client.ok('Heartbeat', {}, 'dcgm');
    await report('gpu-0', { DCGMHealth: 'True' }, 'dcgm');
    expect(await values('dcgm')).toEqual({ state: 1, beats: 3, timeouts: 0 });
    const lastBeat = await ours('provider_last_heartbeat_timestamp_seconds', { provider_id: 'dcgm' });
    expect(Math.abs(lastBeat - Date.now() / 1000)).toBeLessThan(5);
    await vi.waitFor(async () => expect(await values('dcgm')).toEqual({ state: 0, beats: 3, timeouts: 1 }), 5_000);
    expect(await ours('provider_last_heartbeat_timestamp_seconds', { provider_id: 'dcgm' })).toBe(lastBeat);
    await vi.waitFor(async () =>
      expect(await ours('cache_updates_total', { operation: 'expire', provider: 'dcgm' })).toBe(1),
    );
    await server.client.ok('Heartbeat', {}, 'dcgm');
    expect(await values('dcgm')).toEqual({ state: 1, beats: 4, timeouts: 1 });
  });

  test('are shown no more when they are registered no more', async () => {
    await register('dcgm', 60_000);
    await server.client.ok('Unregister', {}, 'dcgm');
    expect(await server.registry.metrics()).not.toContain('provider_id="dcgm"');
  });

  test('that have not been heard since the restart have no time of a last beat', async () => {
    await register('dcgm', 60_000);
    // A disk that is slow for a moment makes the daemon go on in memory.
    await expect.poll(() => ours('state_file_missing_changes'), { timeout: 10_000 }).toBe(0);
    await server.stop();
    server = await startCacheServer([], server.folder);
    expect(await values('dcgm')).toEqual({ state: 1, beats: 0, timeouts: 0 });
    expect(await server.registry.metrics()).not.toContain('provider_last_heartbeat_timestamp_seconds{');
    await server.client.ok('Heartbeat', {}, 'dcgm');
    expect(await ours('provider_last_heartbeat_timestamp_seconds', { provider_id: 'dcgm' })).toBeGreaterThan(1e9);
  });

  test('keep the number of values of the label bounded, whoever comes and goes', async () => {
    for (let i = 0; i < 100; i += 1) {
      await server.client.call('Register', { heartbeat_interval_millis: 600_000 }, `provider-${i}`);
    }
    const lines = (await server.registry.metrics()).match(/^device_api_server_provider_heartbeat_total\{/gm);
    expect(lines).toHaveLength(64);
  });
});

describe('the state file', () => {
  test('that is written says so', async () => {
    await create('gpu-0');
    expect(await ours('state_file_missing_changes')).toBe(0);
    expect(await ours('state_file_failures_total')).toBe(0);
    expect(await ours('state_file_damaged_total')).toBe(0);
  });

  test('that cannot be written is counted, and every write is served all the same', async () => {
    await server.remove();
    const folder = newFolder();
    writeFileSync(join(folder, 'data'), 'a file where the folder should be');
    server = await startCacheServer([], folder);
    await create('gpu-0');
    expect(await ours('state_file_missing_changes')).toBe(1);
    expect(await ours('state_file_failures_total')).toBeGreaterThan(0);
    expect(await server.client.call('GetGpu', { name: 'gpu-0' })).toHaveProperty('ok');
  });

  test('that is damaged is counted', async () => {
    await server.remove();
    const folder = newFolder();
    mkdirSync(join(folder, 'data'));
    writeFileSync(join(folder, 'data', 'state'), 'neither a state nor anything else\n');
    server = await startCacheServer([], folder);
    expect(await ours('state_file_damaged_total')).toBeGreaterThan(0);
    expect(await ours('state_file_missing_changes')).toBe(0);
  });
});
