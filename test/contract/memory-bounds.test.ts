// What clients may make the daemon keep: bounded in bytes, not only in numbers.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { limits } from '../../src/cache-server/limits.ts';
import { type RunningCacheServer, startCacheServer } from '../fixtures/cache-server.ts';

let server: RunningCacheServer;
beforeAll(async () => {
  server = await startCacheServer();
});
afterAll(() => server.remove());

const large = (types: number) => ({
  conditions: Array.from({ length: types }, (_, i) => ({ type: `T${i}`, status: 'True', message: 'x'.repeat(30_000) })),
});
const create = (name: string, status: object) =>
  server.client.call('CreateGpu', { gpu: { metadata: { name }, spec: { uuid: name }, status } });

test('GPUs that take too many bytes together are refused, and what goes makes room', async () => {
  const perGpu = 10 * 30_000;
  const fit = Math.floor(limits.bytes / perGpu);
  let made = 0;
  while ('ok' in (await create(`gpu-${made}`, large(10)))) made += 1;
  expect(made).toBeGreaterThanOrEqual(fit - 1);
  expect(made).toBeLessThanOrEqual(fit);
  expect(await create('gpu-more', large(10))).toMatchObject({
    code: 'RESOURCE_EXHAUSTED',
    details: expect.stringContaining(String(limits.bytes)),
  });
  // What shrinks is never refused, nor is what fits.
  expect(await server.client.call('UpdateGpuStatus', { name: 'gpu-0', status: large(1) })).toHaveProperty('ok');
  expect(await create('gpu-small', large(1))).toHaveProperty('ok');
  await server.client.ok('DeleteGpu', { name: 'gpu-1' });
  expect(await create('gpu-again', large(10))).toHaveProperty('ok');
});

test('the history keeps no more bytes than its bound: who resumes too far back must list again', async () => {
  const { gpu } = await server.client.ok('CreateGpu', { gpu: { metadata: { name: 'gpu-w' }, spec: { uuid: 'w' } } });
  const first = gpu.resource_version;
  const message = 'x'.repeat(30_000);
  for (let i = 0; i < limits.historyBytes / 30_000 + 5; i += 1) {
    const conditions = [{ type: 'T', status: 'True', reason: `${i}`, message }];
    await server.client.ok('UpdateGpuStatus', { name: 'gpu-w', status: { conditions } });
  }
  const watching = server.client.watch('WatchGpus', { opts: { resource_version: first } });
  expect(await watching.ended).toBe('OUT_OF_RANGE');
});

describe('providers that register', () => {
  test('are bounded in number and in what they register, and beats find those that are there', async () => {
    const register = (i: number) => {
      const types = Array.from({ length: limits.conditionsPerProvider }, (_, k) =>
        `${i}-${k}-`.padEnd(limits.nameLength, 'x'),
      );
      const request = { condition_types: types, heartbeat_interval_millis: 600_000 };
      return server.client.call('Register', request, `${i}-`.padEnd(limits.providerIdLength, 'x'));
    };
    const outcomes = [];
    for (let i = 0; i < 200; i += 1) outcomes.push(await register(i));
    expect(outcomes.filter((outcome) => 'ok' in outcome)).toHaveLength(limits.providers);
    expect(outcomes.at(-1)).toEqual({
      code: 'RESOURCE_EXHAUSTED',
      details: '64 providers are registered already, which is the limit',
    });
    expect(await register(0)).toHaveProperty('ok');
    const { providers } = await server.client.ok<{ providers: unknown[] }>('ListProviders', {});
    expect(providers.length).toBeLessThanOrEqual(2 * limits.providers);
  });

  test('cannot fill the cache so that nothing more turns Unknown', async () => {
    const full = await startCacheServer();
    const { client } = full;
    const fill = (name: string, message: string) => {
      const status = { conditions: [{ type: 'Fat', status: 'True', message }] };
      return client.call('CreateGpu', { gpu: { metadata: { name }, spec: { uuid: name }, status } }, 'fat');
    };
    await client.ok('CreateGpu', { gpu: { metadata: { name: 'gpu-thin' }, spec: { uuid: 'u' } } });
    await client.ok('Register', { heartbeat_interval_millis: 500 }, 'thin');
    const conditions = [{ type: 'Thin', status: 'True' }];
    await client.ok('UpdateGpuStatus', { name: 'gpu-thin', status: { conditions } }, 'thin');
    for (const [length, made] of [30_000, 100, 1].entries()) {
      for (let i = 0; 'ok' in (await fill(`gpu-${length}-${i}`, 'x'.repeat(made))); i += 1);
    }
    await expect
      .poll(async () => (await client.ok('GetGpu', { name: 'gpu-thin' })).gpu.status.conditions, { timeout: 5_000 })
      .toMatchObject([{ status: 'Unknown', reason: 'ProviderSilent', message: '' }]);
    await full.remove();
  });
});
