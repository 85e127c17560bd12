// What a container is given for its devices, and what is refused.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
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

/** Starts a plugin, and waits until the kubelet knows so many devices. */
const start = async (resource: string, devices: number, ...flags: string[]) => {
  plugin = await startDevicePlugin(node.server.socket, node.kubelet, ['--resource-name', resource, ...flags]);
  expect(await eventually(() => Object.keys(node.kubelet.health(resource)).length, devices)).toBe(devices);
};

describe('of NVIDIA', () => {
  const gpu = 'nvidia.com/gpu';
  beforeEach(async () => {
    for (const [index, uuid] of ['GPU-a', 'GPU-b', 'GPU-c'].entries()) await node.add(uuid, { index });
  });

  test('containers are given names of CDI devices', async () => {
    await start(gpu, 3);
    const answer = await node.kubelet.allocate(gpu, ['GPU-b', 'GPU-a'], ['GPU-c']);
    expect(answer).toMatchObject({
      ok: [
        { envs: {}, devices: [], cdi_devices: [{ name: 'nvidia.com/gpu=GPU-b' }, { name: 'nvidia.com/gpu=GPU-a' }] },
        { envs: {}, devices: [], cdi_devices: [{ name: 'nvidia.com/gpu=GPU-c' }] },
      ],
    });
  });

  test('with --allocate env, the variable', async () => {
    await start(gpu, 3, '--allocate', 'env');
    expect(await node.kubelet.allocate(gpu, ['GPU-b', 'GPU-a'])).toMatchObject({
      ok: [{ envs: { NVIDIA_VISIBLE_DEVICES: 'GPU-b,GPU-a' }, devices: [], cdi_devices: [] }],
    });
  });

  test('an id that is not offered is refused, by name', async () => {
    await start(gpu, 3);
    const refused = { code: 'INVALID_ARGUMENT', details: expect.stringContaining('has no device "GPU-x"') };
    expect(await node.kubelet.allocate(gpu, ['GPU-a'], ['GPU-x'])).toEqual(refused);
    expect(await node.kubelet.preStart(gpu, ['GPU-x'])).toEqual(refused);
    expect(await node.kubelet.preStart(gpu, ['GPU-a'])).toEqual({ ok: {} });
  });

  test('a GPU that is unhealthy or leased is refused, with the reason', async () => {
    await start(gpu, 3);
    await node.ready('GPU-a', 'False');
    await node.add('GPU-b', { index: 1, leased: true });
    const expected = { 'GPU-a': 'Unhealthy', 'GPU-b': 'Unhealthy', 'GPU-c': 'Healthy' };
    expect(await eventually(() => node.kubelet.health(gpu), expected)).toEqual(expected);
    const refused = (details: string) => ({ code: 'FAILED_PRECONDITION', details: expect.stringContaining(details) });
    expect(await node.kubelet.allocate(gpu, ['GPU-a'])).toEqual(refused('it is unhealthy [GPUB_DEVICE_UNUSABLE]'));
    expect(await node.kubelet.allocate(gpu, ['GPU-c', 'GPU-b'])).toEqual(refused('it is leased'));
    expect(await node.kubelet.allocate(gpu, ['GPU-c'])).toHaveProperty('ok');
    const counted = await plugin?.registry.getSingleMetric('gpubroker_device_plugin_allocations_total')?.get();
    expect(counted?.values.map(({ labels, value }) => [labels.result, value])).toEqual([
      ['refused', 2],
      ['given', 1],
    ]);
  });

  test('a choice that cannot be made is refused', async () => {
    await start(gpu, 3);
    expect(await node.kubelet.prefer(gpu, ['GPU-a', 'GPU-b'], [], 3)).toEqual({
      code: 'INVALID_ARGUMENT',
      details: '3 of 2 devices cannot be chosen, with 0 of them required',
    });
    expect(await node.kubelet.prefer(gpu, ['GPU-a', 'GPU-b'], ['GPU-b'], 1)).toEqual({ ok: ['GPU-b'] });
  });

  test('the GPUs of others are not offered', async () => {
    await node.add('AMD-a', { index: 3, vendor: 'amd' });
    await start(gpu, 3);
    expect(node.kubelet.health(gpu)).not.toHaveProperty('AMD-a');
  });
});

describe('of AMD and Intel', () => {
  const busId = '0000:83:00.0';
  const host = (...names: string[]) => {
    const drm = join(node.folder, 'host/sys/bus/pci/devices', busId, 'drm');
    for (const name of names) mkdirSync(join(drm, name), { recursive: true });
    mkdirSync(join(node.folder, 'host/dev'), { recursive: true });
    writeFileSync(join(node.folder, 'host/dev/kfd'), '');
    return ['--host-root', join(node.folder, 'host')];
  };
  const file = (path: string) => ({ container_path: path, host_path: path, permissions: 'rw' });

  test('containers are given the device files: those of the GPU, and for AMD the compute driver', async () => {
    await node.add('AMD-a', { vendor: 'amd', source: 'amd', pci: { busId } });
    await start('amd.com/gpu', 1, ...host('card1', 'renderD129', 'card1-DP-1'));
    const devices = [file('/dev/dri/card1'), file('/dev/dri/renderD129'), file('/dev/kfd')];
    expect(await node.kubelet.allocate('amd.com/gpu', ['AMD-a'])).toMatchObject({
      ok: [{ envs: {}, cdi_devices: [], devices }],
    });
  });

  test('an address with more digits and capitals is the same', async () => {
    await node.add('XPU-a', { vendor: 'intel', source: 'intel', pci: { busId: '00000000:83:00.0' } });
    await start('gpu.intel.com/xe', 1, ...host('renderD128'));
    const answer = await node.kubelet.allocate('gpu.intel.com/xe', ['XPU-a']);
    expect(answer).toMatchObject({ ok: [{ devices: [file('/dev/dri/renderD128')] }] });
  });

  test.each([
    ['without files', { busId: '0000:01:00.0' }],
    ['without an address', undefined],
    ['with an address that is none', { busId: '../../..' }],
  ])('a GPU %s is refused', async (_which, pci) => {
    await node.add('AMD-a', { vendor: 'amd', source: 'amd', pci });
    await start('amd.com/gpu', 1, ...host('card1'));
    expect(await node.kubelet.allocate('amd.com/gpu', ['AMD-a'])).toEqual({
      code: 'FAILED_PRECONDITION',
      details: expect.stringContaining('GPUB_DEVICE_FILES_MISSING'),
    });
  });
});
