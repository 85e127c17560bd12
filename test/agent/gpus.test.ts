// What the agent makes of the cache: its own part of every GPU, whoever else writes there.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { DeviceState, DeviceView } from '../../src/agent/devices/view.ts';
import { Gpus } from '../../src/agent/gpus.ts';
import type { Log } from '../../src/daemon/logger.ts';
import { createLog } from '../../src/daemon/logger.ts';
import { type RunningCacheServer, startCacheServer } from '../fixtures/cache-server.ts';

const uuid = 'GPU-Aa';
const ready = (status: string) => ({ conditions: [{ type: 'Ready', status, reason: 'Test', message: '' }] });

let server: RunningCacheServer;
let gpus: Gpus;
let lines: { level: string; msg: string; reason?: string }[];
beforeEach(async () => {
  server = await startCacheServer();
  lines = [];
  gpus = new Gpus(server.cache, server.book, logInto(lines));
});
afterEach(async () => {
  gpus.stop();
  await server.remove();
});

function logInto(into: typeof lines): Log {
  const output = { write: (line: string) => void into.push(JSON.parse(line)) };
  return createLog({ daemon: 'test', node: 'node', level: 'debug', format: 'json', output }).log;
}

function view(state: DeviceState, message = ''): DeviceView {
  const record = { index: 0, uuid, vendor: 'nvidia' as const };
  return { uuid, condition: 'NVMLReady', source: 'nvml', state, message, record };
}

async function conditions(): Promise<Record<string, string>> {
  const { gpu } = await server.client.ok('GetGpu', { name: uuid });
  return Object.fromEntries(gpu.status.conditions.map(({ type, status }) => [type, status]));
}

const refusals = () => lines.filter(({ msg }) => msg.startsWith('the state of the GPU was refused'));
const writes = (operation: string) =>
  server.metric('device_api_server_cache_updates_total', { operation, provider: 'gpubroker-agent' });

test('a change of state is a status write; only a GPU that is not there is created', async () => {
  gpus.show(view('ok'));
  expect(await conditions()).toEqual({ NVMLReady: 'True', Ready: 'True' });
  expect(await writes('create')).toBe(1);
  const before = await writes('status');
  gpus.show(view('lost', 'gone'));
  expect(await conditions()).toEqual({ NVMLReady: 'False', Ready: 'False' });
  gpus.show(view('ok'));
  expect(await conditions()).toEqual({ NVMLReady: 'True', Ready: 'True' });
  expect([await writes('create'), await writes('status')]).toEqual([1, before + 2]);
});

test('a GPU whose deletion is on its way is created again', async () => {
  gpus.show(view('ok'));
  gpus.remove(uuid);
  gpus.show(view('lost', 'gone'));
  await expect.poll(conditions).toEqual({ NVMLReady: 'False', Ready: 'False' });
});

test("another provider's condition is left to it, the others are written, and that is said once", async () => {
  await server.client.ok('CreateGpu', { gpu: { metadata: { name: uuid }, spec: { uuid } } });
  await server.client.ok('UpdateGpuStatus', { name: uuid, status: ready('Unknown') }, 'monitor');
  gpus.show(view('ok'));
  expect(await conditions()).toEqual({ NVMLReady: 'True', Ready: 'Unknown' });
  gpus.show(view('lost', 'gone'));
  expect(await conditions()).toEqual({ NVMLReady: 'False', Ready: 'Unknown' });
  const tried = await writes('status');
  await expect.poll(() => writes('status'), { timeout: 3_000 }).toBeGreaterThan(tried);
  expect(refusals()).toMatchObject([
    { level: 'warn', reason: 'condition Ready of gpu-aa belongs to provider monitor' },
  ]);
  // What its owner takes back is the agent's again.
  await server.client.ok('UpdateGpuStatus', { name: uuid, status: { conditions: [] } }, 'monitor');
  await expect.poll(conditions, { timeout: 6_000 }).toEqual({ NVMLReady: 'False', Ready: 'False' });
  expect(refusals()).toHaveLength(1);
});

test('it is tried ever more rarely, not every second', async () => {
  await server.client.ok('CreateGpu', { gpu: { metadata: { name: uuid }, spec: { uuid } } });
  await server.client.ok('UpdateGpuStatus', { name: uuid, status: ready('True') }, 'monitor');
  // Refused ones as well.
  const tried = vi.spyOn(server.cache, 'write');
  gpus.show(view('ok'));
  await new Promise((resolve) => setTimeout(resolve, 4_500));
  // At once, after 0.5 to 1 s, and after 1 to 2 s and 2 to 4 s more.
  expect(tried.mock.calls.length).toBeGreaterThanOrEqual(2);
  expect(tried.mock.calls.length).toBeLessThanOrEqual(4);
});

test('the uuid that a client gave in error is corrected', async () => {
  await server.client.ok('CreateGpu', { gpu: { metadata: { name: uuid }, spec: { uuid: 'GPU-wrong' } } });
  gpus.show(view('ok'));
  const { gpu } = await server.client.ok('GetGpu', { name: uuid });
  expect(gpu.spec.uuid).toBe(uuid);
  expect(await conditions()).toEqual({ NVMLReady: 'True', Ready: 'True' });
});
