// What clients may make the daemon keep: bounded in bytes, not only in numbers.
import { afterAll, beforeAll, expect, test } from 'vitest';
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
