// How GPUs are named: in lower case, or as they are spelt; look-ups ignore case either way.
import { afterEach, describe, expect, test } from 'vitest';
import { type RunningCacheServer, startCacheServer } from '../fixtures/cache-server.ts';

let server: RunningCacheServer;
afterEach(() => server.remove());

const uuid = 'GPU-5D41402A-bc4b-2A76-B971-9D911017C592';

function create(spelling = uuid) {
  return server.client.ok('CreateGpu', { gpu: { metadata: { name: spelling }, spec: { uuid } } });
}

describe.each([
  ['lowercase', uuid.toLowerCase()],
  ['raw', uuid],
])('with --name-format %s', (format, name) => {
  test('a GPU is named so in every answer and event, and its UUID is kept as it is spelt', async () => {
    server = await startCacheServer(['--name-format', format]);
    const watching = server.client.watch('WatchGpus');
    const { gpu } = await create();
    expect(gpu.metadata.name).toBe(name);
    expect(gpu.spec.uuid).toBe(uuid);
    const [event] = await watching.until(1);
    expect(event?.object).toEqual(gpu);
    watching.cancel();
    expect(await server.client.ok('ListGpus', {})).toMatchObject({ gpu_list: { items: [gpu] } });
    const { device } = await server.client.ok<{ device: { name: string } }>('GetDevice', { name: uuid });
    expect(device.name).toBe(name);
  });

  test.each([uuid, uuid.toLowerCase(), uuid.toUpperCase()])('every method finds it as %s', async (spelling) => {
    server = await startCacheServer(['--name-format', format]);
    await create();
    expect((await create(spelling)).created).toBe(false);
    const { gpu } = await server.client.ok('GetGpu', { name: spelling });
    expect(gpu.metadata.name).toBe(name);
    const status = { conditions: [{ type: 'Ready', status: 'True' }] };
    const updated = await server.client.ok('UpdateGpuStatus', { name: spelling, status });
    expect(updated.gpu.metadata.name).toBe(name);
    const respelt = { gpu: { metadata: { name: spelling }, spec: { uuid: 'GPU-new' } } };
    expect((await server.client.ok('UpdateGpu', respelt)).gpu.metadata.name).toBe(name);
    await server.client.ok('GetDevice', { name: spelling });
    await server.client.ok('DeleteGpu', { name: spelling });
    expect(await server.client.ok('ListGpus', {})).toMatchObject({ gpu_list: { items: [] } });
  });

  test('a restart keeps the name', async () => {
    server = await startCacheServer(['--name-format', format]);
    const { gpu } = await create();
    await server.stop();
    server = await startCacheServer(['--name-format', format], server.folder);
    expect((await server.client.ok('GetGpu', { name: uuid })).gpu).toEqual(gpu);
  });
});
