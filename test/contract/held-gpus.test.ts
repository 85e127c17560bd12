// A GPU that the agent on the node sees: nobody else can delete it.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type RunningCacheServer, startCacheServer } from '../fixtures/cache-server.ts';

let server: RunningCacheServer;
beforeAll(async () => {
  server = await startCacheServer();
});
afterAll(() => server.remove());
beforeEach(() =>
  server.client.ok('CreateGpu', { gpu: { metadata: { name: 'gpu-seen' }, spec: { uuid: 'GPU-seen' } } }),
);

describe('DeleteGpu of a GPU that the agent sees', () => {
  test('is refused with FAILED_PRECONDITION, and nothing changes', async () => {
    server.cache.hold('GPU-seen');
    const before = await server.client.ok('ListGpus', {});
    expect(await server.client.call('DeleteGpu', { name: 'gpu-seen' })).toMatchObject({
      code: 'FAILED_PRECONDITION',
      details: expect.stringContaining('gpu-seen'),
    });
    expect(await server.client.call('DeleteGpu', { name: 'GPU-SEEN' }, 'dcgm')).toMatchObject({
      code: 'FAILED_PRECONDITION',
    });
    expect(await server.client.ok('ListGpus', {})).toEqual(before);
  });

  test('is done once the agent sees it no more', async () => {
    server.cache.hold('gpu-seen');
    server.cache.release('GPU-seen');
    await server.client.ok('DeleteGpu', { name: 'gpu-seen' });
    expect(await server.client.call('GetGpu', { name: 'gpu-seen' })).toMatchObject({ code: 'NOT_FOUND' });
  });

  test('keeps the UUID that the agent sees: another one is FAILED_PRECONDITION, unless the agent gives it', async () => {
    server.cache.hold('gpu-seen');
    const update = { gpu: { metadata: { name: 'gpu-seen' }, spec: { uuid: 'GPU-other' } } };
    expect(await server.client.call('UpdateGpu', update)).toMatchObject({ code: 'FAILED_PRECONDITION' });
    const write = { kind: 'update', name: 'gpu-seen', uuid: 'GPU-other', expectedVersion: 0n } as const;
    await server.cache.write({ ...write, provider: 'gpubroker-agent' });
    expect(await server.client.call('UpdateGpu', update)).toHaveProperty('ok');
  });

  test('hinders no change of its status', async () => {
    server.cache.hold('gpu-seen');
    expect(await server.client.call('UpdateGpuStatus', { name: 'gpu-seen', status: {} })).toHaveProperty('ok');
  });

  test('a name that is held before its GPU is there is NOT_FOUND', async () => {
    server.cache.hold('gpu-coming');
    expect(await server.client.call('DeleteGpu', { name: 'gpu-coming' })).toMatchObject({ code: 'NOT_FOUND' });
  });
});
