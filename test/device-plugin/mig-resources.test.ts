// MIG instances over real sockets: a resource and a registration for each profile, up to a full node.
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  eventually,
  type PluginNode,
  type RunningDevicePlugin,
  startDevicePlugin,
  startPluginNode,
} from '../fixtures/device-plugin.ts';

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

const start = async (migStrategy: string) => {
  plugin = await startDevicePlugin(node.server.socket, node.kubelet, ['--mig-strategy', migStrategy]);
};
const split = (gpu: number) => node.add(`GPU-${gpu}`, { index: gpu, mig: { enabled: true } });
const instance = (gpu: number, at: number, profile: string) =>
  node.add(`MIG-${gpu}-${at}`, {
    index: gpu,
    numaNode: gpu < 4 ? 0 : 1,
    parent: `gpu-${gpu}`,
    migInstance: { gpuInstance: at, profile },
  });

test('each profile is a resource with a registration of its own; one that is gone keeps its resource, without devices', async () => {
  await node.add('GPU-0', { index: 0 });
  await split(1);
  await instance(1, 1, '1g.10gb');
  await instance(1, 2, '3g.40gb');
  await start('mixed');
  const { kubelet } = node;
  expect(
    await eventually(
      () => kubelet.registered.map(({ resource_name }) => resource_name).sort(),
      ['nvidia.com/gpu', 'nvidia.com/mig-1g.10gb', 'nvidia.com/mig-3g.40gb'],
    ),
  ).toHaveLength(3);
  expect(new Set(kubelet.registered.map(({ endpoint }) => endpoint)).size).toBe(3);
  const small = { 'MIG-1-1': 'Healthy' };
  expect(await eventually(() => kubelet.health('nvidia.com/mig-1g.10gb'), small)).toEqual(small);
  expect(kubelet.health('nvidia.com/gpu')).toEqual({ 'GPU-0': 'Healthy' });
  expect(await kubelet.allocate('nvidia.com/mig-1g.10gb', ['MIG-1-1'])).toMatchObject({
    ok: [{ cdi_devices: [{ name: 'nvidia.com/gpu=MIG-1-1' }] }],
  });
  expect(await kubelet.allocate('nvidia.com/mig-3g.40gb', ['MIG-1-1'])).toHaveProperty('code', 'INVALID_ARGUMENT');

  await node.server.client.ok('DeleteGpu', { name: 'MIG-1-1' }, 'test');
  expect(await eventually(() => kubelet.health('nvidia.com/mig-1g.10gb'), {})).toEqual({});
  await node.ready('GPU-1', 'False');
  const large = { 'MIG-1-2': 'Unhealthy' };
  expect(await eventually(() => kubelet.health('nvidia.com/mig-3g.40gb'), large)).toEqual(large);
});

test('a full node: 56 instances are one resource, and each change of one is heard within 200 ms', {
  timeout: 60_000,
}, async () => {
  for (let gpu = 0; gpu < 8; gpu++) {
    await split(gpu);
    for (let at = 1; at <= 7; at++) await instance(gpu, at, '1g.10gb');
  }
  await start('single');
  const { kubelet } = node;
  const resource = 'nvidia.com/gpu';
  const healthy = () => Object.values(kubelet.health(resource)).filter((health) => health === 'Healthy').length;
  expect(await eventually(healthy, 56)).toBe(56);
  const times: number[] = [];
  for (const status of ['False', 'True', 'False', 'True', 'False', 'True'] as const) {
    const begun = performance.now();
    await node.ready('MIG-5-3', status);
    const expected = status === 'True' ? 56 : 55;
    expect(await eventually(healthy, expected)).toBe(expected);
    times.push(performance.now() - begun);
  }
  console.info(`from a condition to the kubelet, 64 GPUs: ${times.map((ms) => ms.toFixed(0)).join(', ')} ms`);
  expect(times.toSorted((a, b) => a - b)[2]).toBeLessThan(200);

  const ids = Object.keys(kubelet.health(resource));
  const chosen = await kubelet.prefer(resource, ids, ['MIG-6-2'], 7);
  expect(chosen).toEqual({ ok: Array.from({ length: 7 }, (_, at) => `MIG-6-${at + 1}`) });
});
