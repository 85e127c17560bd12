// An agent without a driver: it runs, is not ready, says why, and keeps looking.
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { type FakeAgent, startAgent, untilReady } from '../fixtures/agent.ts';
import { newFolder } from '../fixtures/cache-server.ts';
import { createFakeDriver } from '../fixtures/nvml/fake-driver.ts';

let agent: FakeAgent | undefined;
afterEach(() => agent?.remove());

test('it serves an empty list, is not ready, and says what it tried', async () => {
  const folder = newFolder();
  const library = join(folder, 'libnvidia-ml.so.1');
  const driver = createFakeDriver({ gpus: 2 });
  const missing = { ...driver, libraryPath: library };
  agent = startAgent({ driver: missing, folder });
  await agent.logged('started');
  await expect.poll(async () => (await agent?.health('/readyz'))?.body).toContain(library);
  expect((await agent.health('/readyz')).status).toBe(503);
  expect((await agent.health('/livez')).status).toBe(200);
  expect((await agent.list()).gpus).toEqual([]);
  // The driver is installed while the agent runs.
  copyFileSync(driver.libraryPath, library);
  await untilReady(agent);
  expect((await agent.list()).gpus).toHaveLength(2);
  driver.remove();
});

test('a driver that is unloaded turns its GPUs Unknown, and loaded again, back', async () => {
  agent = startAgent({ options: { gpus: 2 } });
  await untilReady(agent);
  agent.driver.unload();
  await expect
    .poll(() => agent?.condition(0, 'Ready'), { timeout: 5_000 })
    .toMatchObject({
      status: 'Unknown',
      reason: 'DriverNotLoaded',
    });
  expect((await agent.list()).gpus).toHaveLength(2);
  agent.driver.update(() => undefined);
  await expect.poll(() => agent?.conditions(0), { timeout: 15_000 }).toEqual({ Ready: 'True', NVMLReady: 'True' });
});

test('an old driver without newer functions is served with what it has', async () => {
  const missing = ['nvmlDeviceGetMemoryInfo_v2', 'nvmlDeviceGetMigMode', 'nvmlDeviceGetNvLinkState'] as const;
  agent = startAgent({ options: { gpus: 1, missing } });
  await untilReady(agent);
  const { devices } = await agent.client.ok<{ devices: { mig: unknown; memory: object }[] }>('ListDevices', {});
  expect(devices[0]?.mig ?? null).toBeNull();
  expect(devices[0]?.memory).toMatchObject({ total_bytes: '85899345920' });
});
