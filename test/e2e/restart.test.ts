// What an agent that is killed or stopped leaves to the next one.
import { afterEach, expect, test } from 'vitest';
import { type FakeAgent, startAgent, untilReady } from '../fixtures/agent.ts';
import { createFakeDriver, type FakeDriver } from '../fixtures/nvml/fake-driver.ts';
import { soaking } from '../properties.ts';

let driver: FakeDriver | undefined;
let agent: FakeAgent | undefined;
afterEach(async () => {
  await agent?.remove();
  driver?.remove();
  driver = undefined;
});

async function start(folder?: string, flags: string[] = []): Promise<FakeAgent> {
  driver ??= createFakeDriver({ gpus: 8 });
  agent = startAgent({ driver, flags, ...(folder === undefined ? {} : { folder }) });
  await untilReady(agent);
  return agent;
}

const degraded = { conditions: [{ type: 'Degraded', status: 'True', reason: 'Test', message: 'hot' }] };

test('kill -9 loses no condition, and versions go on rising', async () => {
  let running = await start();
  const name = running.driver.gpu(2).uuid;
  await running.client.ok('UpdateGpuStatus', { name, status: degraded }, 'monitor');
  let { version } = await running.list();
  for (let i = 0; i < (soaking ? 50 : 3); i += 1) {
    await running.kill();
    running.client.close();
    running = await start(running.folder);
    const list = await running.list();
    expect(list.version).toBeGreaterThanOrEqual(version);
    expect(list.gpus).toHaveLength(8);
    expect(await running.conditions(2)).toEqual({ Degraded: 'True', NVMLReady: 'True', Ready: 'True' });
    const changed = { conditions: [{ type: 'Degraded', status: 'True', reason: 'Test', message: `restart ${i}` }] };
    const { gpu } = await running.client.ok('UpdateGpuStatus', { name, status: changed }, 'monitor');
    expect(Number(gpu.resource_version)).toBe(list.version + 1);
    version = list.version + 1;
  }
});

test('after a restart a foreign condition is stale for three beats, then Unknown until it is reported again', async () => {
  let running = await start();
  const name = running.driver.gpu(0).uuid;
  await running.client.ok('UpdateGpuStatus', { name, status: degraded }, 'monitor');
  await running.kill();
  running = await start(running.folder, ['--heartbeat-interval', '500ms']);
  const stale = async () =>
    (await running.client.ok<{ device: { stale: boolean } }>('GetDevice', { name })).device.stale;
  expect(await running.condition(0, 'Degraded')).toMatchObject({ status: 'True' });
  expect(await stale()).toBe(true);
  await expect
    .poll(() => running.condition(0, 'Degraded'), { timeout: 5_000 })
    .toMatchObject({ status: 'Unknown', reason: 'NotReconfirmed', message: expect.stringContaining('monitor') });
  expect(await running.conditions(0)).toMatchObject({ Ready: 'True', NVMLReady: 'True' });
  await running.client.ok('UpdateGpuStatus', { name, status: degraded }, 'monitor');
  expect(await running.condition(0, 'Degraded')).toMatchObject({ status: 'True', reason: 'Test' });
  expect(await stale()).toBe(false);
});

test('a watch from the version before the restart is served if nothing changed since, else it is OUT_OF_RANGE', async () => {
  let running = await start();
  const { version } = await running.list();
  await running.stop();
  running = await start(running.folder);
  const resumed = running.client.watch('WatchGpus', { opts: { resource_version: String(version) } });
  await running.client.ok('UpdateGpuStatus', { name: running.driver.gpu(0).uuid, status: degraded }, 'monitor');
  expect((await resumed.until(1)).map(({ type }) => type)).toEqual(['MODIFIED']);
  resumed.cancel();
  const older = running.client.watch('WatchGpus', { opts: { resource_version: String(version - 1) } });
  expect(await older.ended).toBe('OUT_OF_RANGE');
});

test('a GPU that was taken out while no agent ran is removed once it had time to show itself', async () => {
  let running = await start();
  const { uuid } = running.driver.gpu(7);
  await running.stop();
  running.driver.update((state) => state.gpus.splice(7, 1));
  running = await start(running.folder, ['--heartbeat-interval', '500ms']);
  expect(await running.client.call('GetGpu', { name: uuid })).toHaveProperty('ok');
  await expect
    .poll(() => running.client.call('GetGpu', { name: uuid }), { timeout: 5_000 })
    .toMatchObject({ code: 'NOT_FOUND' });
  expect((await running.list()).gpus).toHaveLength(7);
});

test('SIGTERM: not ready at once, watchers end quietly, exit code 0, the socket is gone', async () => {
  const running = await start(undefined, ['--shutdown-delay', '300ms']);
  const watching = running.client.watch('WatchGpus');
  await watching.until(8);
  running.process.kill('SIGTERM');
  await expect.poll(async () => (await running.health('/readyz')).status).toBe(503);
  expect((await running.health('/livez')).status).toBe(200);
  expect(await watching.ended).toBe('OK');
  expect(await running.exited).toBe(0);
  expect(await running.client.call('ListGpus', {})).toMatchObject({ code: 'UNAVAILABLE' });
});
