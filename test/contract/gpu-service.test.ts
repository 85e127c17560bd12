// GpuService as an independent client sees it: every line of its contract.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type RunningCacheServer, startCacheServer } from '../fixtures/cache-server.ts';
import type { WireGpu } from '../fixtures/node-client.ts';

let server: RunningCacheServer;
beforeAll(async () => {
  server = await startCacheServer();
});
afterAll(() => server.remove());

const uuid = 'GPU-5D41402A-BC4B-2A76-B971-9D911017C592';
const name = uuid.toLowerCase();

function create(uuidOfGpu = uuid) {
  return server.client.ok('CreateGpu', { gpu: { metadata: { name: uuidOfGpu }, spec: { uuid: uuidOfGpu } } });
}

function setReady(status: string, provider?: string, more: object = {}) {
  const conditions = [{ type: 'Ready', status, reason: 'Test', message: 'a test says so' }];
  return server.client.ok('UpdateGpuStatus', { name, status: { conditions }, ...more }, provider);
}

describe('GpuService', () => {
  test('names a GPU by its lowercased UUID and keeps the UUID as it is spelt', async () => {
    const { gpu, created } = await create();
    expect(created).toBe(true);
    expect(gpu.metadata.name).toBe(name);
    expect(gpu.spec.uuid).toBe(uuid);
  });

  test('registers a GPU once: a second CreateGpu answers with the one that is there', async () => {
    const before = await server.client.ok('GetGpu', { name });
    const { gpu, created } = await create();
    expect(created).toBe(false);
    expect(gpu).toEqual(before.gpu);
  });

  test('finds a GPU by its name in any case', async () => {
    const { gpu } = await server.client.ok('GetGpu', { name: uuid });
    expect(gpu.metadata.name).toBe(name);
  });

  test('gives both versions, and they are equal, on every object that leaves the server', async () => {
    const answers: WireGpu[] = [(await create()).gpu, (await setReady('True')).gpu];
    answers.push((await server.client.ok('GetGpu', { name })).gpu);
    answers.push((await server.client.ok('UpdateGpu', { gpu: answers[2] as WireGpu })).gpu);
    const list = await server.client.ok<{ gpu_list: { items: WireGpu[] } }>('ListGpus', {});
    answers.push(...list.gpu_list.items);
    const watching = server.client.watch('WatchGpus');
    answers.push(...(await watching.until(1)).map(({ object }) => object));
    watching.cancel();
    for (const gpu of answers) {
      expect(Number(gpu.resource_version)).toBeGreaterThan(0);
      expect(gpu.metadata.resource_version).toBe(gpu.resource_version);
    }
  });

  test('moves one counter with every create, update, status change and delete', async () => {
    const version = async () => {
      const { gpu_list } = await server.client.ok<{ gpu_list: { metadata: { resource_version: string } } }>(
        'ListGpus',
        {},
      );
      return Number(gpu_list.metadata.resource_version);
    };
    const start = await version();
    await create('GPU-counter');
    expect(await version()).toBe(start + 1);
    await server.client.ok('UpdateGpu', { gpu: { metadata: { name: 'gpu-counter' }, spec: { uuid: 'GPU-other' } } });
    expect(await version()).toBe(start + 2);
    const status = { conditions: [{ type: 'Ready', status: 'False' }] };
    await server.client.ok('UpdateGpuStatus', { name: 'gpu-counter', status });
    expect(await version()).toBe(start + 3);
    await server.client.ok('DeleteGpu', { name: 'gpu-counter' });
    expect(await version()).toBe(start + 4);
  });

  test('moves nothing when an update says what is known already', async () => {
    const { gpu } = await setReady('True');
    expect((await setReady('True')).gpu).toEqual(gpu);
  });

  test('lists GPUs by name with the version of that moment', async () => {
    for (const one of ['GPU-c', 'GPU-a', 'GPU-b']) await create(one);
    const { gpu_list } = await server.client.ok<{
      gpu_list: { items: WireGpu[]; metadata: { resource_version: string } };
    }>('ListGpus', {});
    const names = gpu_list.items.map(({ metadata }) => metadata.name);
    expect(names).toEqual([...names].sort());
    const newest = Math.max(...gpu_list.items.map((gpu) => Number(gpu.resource_version)));
    expect(Number(gpu_list.metadata.resource_version)).toBeGreaterThanOrEqual(newest);
    for (const one of ['gpu-a', 'gpu-b', 'gpu-c']) await server.client.ok('DeleteGpu', { name: one });
  });

  test('updates the spec only: the status stays', async () => {
    const { gpu } = await setReady('True');
    const updated = await server.client.ok('UpdateGpu', {
      gpu: { metadata: { name }, spec: { uuid: 'GPU-new' }, status: { conditions: [] } },
    });
    expect(updated.gpu.spec.uuid).toBe('GPU-new');
    expect(updated.gpu.status).toEqual(gpu.status);
    await server.client.ok('UpdateGpu', { gpu: { metadata: { name }, spec: { uuid } } });
  });

  test('takes a status with CreateGpu', async () => {
    const { gpu } = await server.client.ok('CreateGpu', {
      gpu: {
        metadata: { name: 'gpu-with-status' },
        spec: { uuid: 'GPU-with-status' },
        status: { conditions: [{ type: 'Ready', status: 'True' }], recommended_action: 'ReportIssue' },
      },
    });
    expect(gpu.status.conditions).toMatchObject([{ type: 'Ready', status: 'True' }]);
    expect(gpu.status.recommended_action).toBe('ReportIssue');
    await server.client.ok('DeleteGpu', { name: 'gpu-with-status' });
  });

  test('moves last_transition_time only when a status changes', async () => {
    const timeOf = ({ gpu }: { gpu: WireGpu }) => gpu.status.conditions[0]?.last_transition_time;
    const first = timeOf(await setReady('False'));
    const conditions = [{ type: 'Ready', status: 'False', reason: 'Other', message: 'said otherwise' }];
    const same = await server.client.ok('UpdateGpuStatus', { name, status: { conditions } });
    expect(timeOf(same)).toEqual(first);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(timeOf(await setReady('True'))).not.toEqual(first);
  });

  test('refuses a version that is not the current one, by number or by string, and changes nothing', async () => {
    const { gpu } = await setReady('True');
    const stale = { name, status: { conditions: [] }, resource_version: Number(gpu.resource_version) - 1 };
    expect(await server.client.call('UpdateGpuStatus', stale)).toMatchObject({ code: 'ABORTED' });
    const byString = { metadata: { name, resource_version: '1' }, spec: { uuid: 'GPU-x' } };
    expect(await server.client.call('UpdateGpu', { gpu: byString })).toMatchObject({ code: 'ABORTED' });
    expect((await server.client.ok('GetGpu', { name })).gpu).toEqual(gpu);
  });

  test('accepts the current version, by number or by string', async () => {
    const { gpu } = await setReady('True');
    const updated = await setReady('False', undefined, { resource_version: gpu.resource_version });
    const byString = { metadata: { name, resource_version: updated.gpu.resource_version }, spec: { uuid: 'GPU-y' } };
    expect((await server.client.ok('UpdateGpu', { gpu: byString })).gpu.spec.uuid).toBe('GPU-y');
    await server.client.ok('UpdateGpu', { gpu: { metadata: { name }, spec: { uuid } } });
  });

  test('answers NOT_FOUND for a name that no GPU has', async () => {
    for (const [method, request] of [
      ['GetGpu', { name: 'gpu-none' }],
      ['DeleteGpu', { name: 'gpu-none' }],
      ['UpdateGpuStatus', { name: 'gpu-none', status: {} }],
      ['UpdateGpu', { gpu: { metadata: { name: 'gpu-none' }, spec: { uuid: 'x' } } }],
    ] as const) {
      const outcome = await server.client.call(method, request);
      expect(outcome).toMatchObject({ code: 'NOT_FOUND', details: expect.stringContaining('gpu-none') });
    }
  });
});
