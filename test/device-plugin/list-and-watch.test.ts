// What the kubelet hears of the devices: all at once, each change at once, and nothing good of what nobody knows.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startCacheServer } from '../fixtures/cache-server.ts';
import {
  eventually,
  type PluginNode,
  type RunningDevicePlugin,
  startDevicePlugin,
  startPluginNode,
} from '../fixtures/device-plugin.ts';

const gpu = 'nvidia.com/gpu';
let node: PluginNode;
let plugin: RunningDevicePlugin | undefined;

beforeEach(async () => {
  node = await startPluginNode();
});
afterEach(async () => {
  await plugin?.stop();
  plugin = undefined;
  await node.remove();
});

const start = async (...flags: string[]) => {
  plugin = await startDevicePlugin(node.server.socket, node.kubelet, flags);
  return plugin;
};
const shown = () => node.kubelet.health(gpu);

test('the plugin registers, and lists every GPU with its health and NUMA node', async () => {
  await node.add('GPU-a', { index: 0, numaNode: 1 });
  await node.add('GPU-b', { index: 1 });
  await node.ready('GPU-b', 'False');
  await start();
  expect(await eventually(shown, { 'GPU-a': 'Healthy', 'GPU-b': 'Unhealthy' })).toEqual({
    'GPU-a': 'Healthy',
    'GPU-b': 'Unhealthy',
  });
  expect(node.kubelet.registered).toEqual([
    {
      version: 'v1beta1',
      endpoint: 'gpubroker-nvidia.com-gpu.sock',
      resource_name: gpu,
      options: { pre_start_required: false, get_preferred_allocation_available: true },
    },
  ]);
  expect(
    node.kubelet.lists
      .get(gpu)
      ?.at(-1)
      ?.map(({ topology }) => topology),
  ).toEqual([{ nodes: [{ ID: 1 }] }, null]);
  expect(await eventually(() => plugin?.readiness.reasons(), [])).toEqual([]);
});

test.each([['False'], ['Unknown']] as const)(
  'a GPU whose Ready turns %s is unhealthy at once, and healthy when it is True again',
  async (status) => {
    await node.add('GPU-a');
    await start();
    await eventually(shown, { 'GPU-a': 'Healthy' });
    const before = performance.now();
    await node.ready('GPU-a', status);
    expect(await eventually(shown, { 'GPU-a': 'Unhealthy' })).toEqual({ 'GPU-a': 'Unhealthy' });
    expect(performance.now() - before).toBeLessThan(500);
    await node.ready('GPU-a', 'True');
    expect(await eventually(shown, { 'GPU-a': 'Healthy' })).toEqual({ 'GPU-a': 'Healthy' });
  },
);

test('a GPU that comes is offered, one that goes is not', async () => {
  await node.add('GPU-a', { index: 0 });
  await start();
  await eventually(shown, { 'GPU-a': 'Healthy' });
  await node.add('GPU-b', { index: 1 });
  expect(await eventually(shown, { 'GPU-a': 'Healthy', 'GPU-b': 'Healthy' })).toHaveProperty('GPU-b', 'Healthy');
  await node.server.client.ok('DeleteGpu', { name: 'GPU-a' }, 'test');
  expect(await eventually(shown, { 'GPU-b': 'Healthy' })).toEqual({ 'GPU-b': 'Healthy' });
});

test('a leased GPU is withdrawn, and returns', async () => {
  await node.add('GPU-a', { leased: true });
  await start();
  expect(await eventually(shown, { 'GPU-a': 'Unhealthy' })).toEqual({ 'GPU-a': 'Unhealthy' });
  await node.add('GPU-a', { leased: false });
  expect(await eventually(shown, { 'GPU-a': 'Healthy' })).toEqual({ 'GPU-a': 'Healthy' });
});

test('readings alone send no list', async () => {
  await node.add('GPU-a');
  await start();
  await eventually(shown, { 'GPU-a': 'Healthy' });
  const lists = node.kubelet.lists.get(gpu)?.length;
  for (let i = 0; i < 5; i++) await node.add('GPU-a', { readings: { time: new Date(i * 1000), powerMilliwatts: i } });
  await node.add('GPU-b', { index: 1 });
  await eventually(shown, { 'GPU-a': 'Healthy', 'GPU-b': 'Healthy' });
  // One list when GPU-b comes without a condition, one when it is ready.
  expect((node.kubelet.lists.get(gpu)?.length ?? 0) - (lists ?? 0)).toBeLessThanOrEqual(2);
});

describe('when the device API is away', () => {
  test('for a short time nothing changes', async () => {
    await node.add('GPU-a');
    await start('--lost-after', '1m');
    await eventually(shown, { 'GPU-a': 'Healthy' });
    await node.server.stop();
    expect(await eventually(() => plugin?.readiness.warnings().length, 1)).toBe(1);
    expect(await eventually(() => plugin?.readiness.reasons(), [])).toEqual([]);
    expect(shown()).toEqual({ 'GPU-a': 'Healthy' });
  });

  test('for too long every GPU is unhealthy and none is given out, until it is there again', async () => {
    await node.add('GPU-a');
    await start('--lost-after', '300ms');
    await eventually(shown, { 'GPU-a': 'Healthy' });
    await node.server.stop();
    expect(await eventually(shown, { 'GPU-a': 'Unhealthy' })).toEqual({ 'GPU-a': 'Unhealthy' });
    expect(await node.kubelet.allocate(gpu, ['GPU-a'])).toMatchObject({
      code: 'FAILED_PRECONDITION',
      details: expect.stringContaining('the device API is away'),
    });
    expect(plugin?.readiness.reasons()).toEqual([expect.stringMatching(/^device-api: /)]);
    // The record is lost with the process, and comes again from the agent only; what was known of the GPU still holds.
    const again = await startCacheServer([], node.server.folder);
    try {
      expect(await eventually(shown, { 'GPU-a': 'Healthy' })).toEqual({ 'GPU-a': 'Healthy' });
    } finally {
      await again.stop();
    }
  });

  test('before it has seen a GPU, the daemon says nothing of it that is offered', async () => {
    await node.add('GPU-a');
    await node.server.stop();
    const again = await startCacheServer([], node.server.folder);
    try {
      await start();
      expect(await eventually(() => node.kubelet.lists.get(gpu)?.length, 1)).toBe(1);
      expect(shown()).toEqual({});
    } finally {
      await again.stop();
    }
  });

  test('before it has ever answered, nothing is registered', async () => {
    await node.server.stop();
    await start();
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(node.kubelet.registered).toEqual([]);
    expect(plugin?.readiness.isReady).toBe(false);
  });
});
