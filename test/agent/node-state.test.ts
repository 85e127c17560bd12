// The GPUs of the cache as the broker is told of them: each change once, without what moves all the time.
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { DeviceState, DeviceView } from '../../src/agent/devices/view.ts';
import { Gpus } from '../../src/agent/gpus.ts';
import { CacheState } from '../../src/agent/node-state.ts';
import type { GpuChange } from '../../src/broker-client/node-state.ts';
import { createLog } from '../../src/daemon/logger.ts';
import { type RunningCacheServer, startCacheServer } from '../fixtures/cache-server.ts';

const uuid = 'GPU-Aa';
let server: RunningCacheServer;
let gpus: Gpus;
let state: CacheState;
let told: GpuChange[];
beforeEach(async () => {
  server = await startCacheServer();
  const output = { write: () => undefined };
  gpus = new Gpus(
    server.cache,
    server.book,
    createLog({ daemon: 'test', node: 'n', level: 'info', format: 'json', output }).log,
  );
  const { cache, book } = server;
  state = new CacheState({ cache, book, computeProcesses: (name) => gpus.computeProcesses(name) });
  told = [];
  state.subscribe((changes) => told.push(...changes));
});
afterEach(async () => {
  gpus.stop();
  await server.remove();
});

function view(state: DeviceState, more: Partial<DeviceView['record']> = {}, timeMs?: number): DeviceView {
  const record = { index: 0, uuid, vendor: 'nvidia' as const, model: 'H100', ...more };
  const readings = timeMs === undefined ? {} : { readings: { timeMs, utilizationPercent: 7, processes } };
  return { uuid, condition: 'NVMLReady', source: 'nvml', state, message: '', record, ...readings };
}
const processes = [
  { pid: 1, kind: 'compute' as const },
  { pid: 2, kind: 'graphics' as const },
];

/** Shows a device and waits until the cache has it and the turn is over. */
async function show(device: DeviceView): Promise<void> {
  gpus.show(device);
  await server.client.ok('ListGpus', {});
  await new Promise((resolve) => setTimeout(resolve, 5));
}

const health = (change: GpuChange | undefined) =>
  change && ('changed' in change ? change.changed.device?.health : `removed ${change.removed}`);

test('a GPU that comes, changes and goes is told each time, and nothing else is', async () => {
  await show(view('ok'));
  await show(view('ok'));
  await show(view('lost'));
  await show(view('ok'));
  gpus.remove(uuid);
  await expect.poll(() => told.map(health)).toEqual(['healthy', 'unhealthy', 'healthy', 'removed gpu-aa']);
  expect(told[1]).toMatchObject({
    changed: {
      recommendedAction: 'RebootNode',
      conditions: [
        { type: 'NVMLReady', status: 'False', reason: 'GpuLost' },
        { type: 'Ready', status: 'False' },
      ],
    },
  });
});

test('readings are no change, and are not in what is told; a record that differs is told with the next round', async () => {
  await show(view('ok', {}, 1_000));
  expect(state.snapshot()).toMatchObject([
    { device: { name: 'gpu-aa', model: 'H100', readings: undefined, processes: [] }, computeProcesses: 1 },
  ]);
  const before = told.length;
  await show(view('ok', {}, 2_000));
  await show(view('ok', { pci: { busId: '0', linkGeneration: 1 } }, 2_000));
  state.samples();
  expect(told.length).toBe(before + 1);
  await show(view('ok', { pci: { busId: '0', linkGeneration: 4 } }, 2_000));
  state.samples();
  expect(told.length).toBe(before + 1);
  await show(view('ok', { vbiosVersion: '2' }, 2_000));
  state.samples();
  expect(told.at(-1)).toMatchObject({ changed: { device: { vbiosVersion: '2' } } });
});

test('a reading is sampled once', async () => {
  await show(view('ok', {}, 1_000));
  expect(state.samples()).toMatchObject([{ gpu: 'gpu-aa', utilizationPercent: 7, powerMilliwatts: undefined }]);
  expect(state.samples()).toEqual([]);
  await show(view('ok', {}, 2_000));
  expect(state.samples()).toHaveLength(1);
});

test('a snapshot tells first what it contains', async () => {
  gpus.show(view('ok'));
  await expect.poll(() => server.cache.peek().size()).toBe(1);
  const snapshot = state.snapshot();
  expect(told).toEqual([{ changed: snapshot[0] }]);
});
