// The plugin and the kubelet find each other again: whichever of them is restarted, stopped or killed.
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type DaemonProcess, startDaemon } from '../fixtures/daemon-process.ts';
import {
  eventually,
  type PluginNode,
  type RunningDevicePlugin,
  startDevicePlugin,
  startPluginNode,
} from '../fixtures/device-plugin.ts';

const gpu = 'nvidia.com/gpu';
const healthy = { 'GPU-a': 'Healthy' };
let node: PluginNode;
let plugin: RunningDevicePlugin | undefined;
let daemons: DaemonProcess[] = [];

beforeEach(async () => {
  node = await startPluginNode();
  await node.add('GPU-a');
});
afterEach(async () => {
  await plugin?.stop();
  plugin = undefined;
  for (const daemon of daemons) await daemon.remove();
  daemons = [];
  await node.remove();
});

const start = async () => {
  plugin = await startDevicePlugin(node.server.socket, node.kubelet);
};
const startProcess = () => {
  const places = ['--unix-socket', node.server.socket, '--kubelet-socket', node.kubelet.socket];
  const daemon = startDaemon({ command: 'device-plugin', places });
  daemons.push(daemon);
  return daemon;
};
const shown = () => node.kubelet.health(gpu);
const registrations = () => node.kubelet.registered.length;

test('after a restart of the kubelet the plugin serves anew and registers again', async () => {
  await start();
  await eventually(shown, healthy);
  node.kubelet.stop();
  node.kubelet.lists.clear();
  await node.kubelet.start();
  expect(await eventually(shown, healthy)).toEqual(healthy);
  expect(registrations()).toBe(2);
  await node.ready('GPU-a', 'False');
  expect(await eventually(shown, { 'GPU-a': 'Unhealthy' })).toEqual({ 'GPU-a': 'Unhealthy' });
});

test('a kubelet that comes later is found', async () => {
  node.kubelet.stop();
  await start();
  expect(await eventually(() => plugin?.readiness.reasons().join(), '', 1_500)).toMatch(/kubelet: /);
  await node.kubelet.start();
  expect(await eventually(shown, healthy)).toEqual(healthy);
  expect(await eventually(() => plugin?.readiness.reasons(), [])).toEqual([]);
});

test('a refusal is tried again, and shown until then', async () => {
  node.kubelet.refusing = 'the version is not supported';
  await start();
  const reason = () => plugin?.readiness.reasons().some((one) => one.includes('the version is not supported'));
  expect(await eventually(reason, true)).toBe(true);
  node.kubelet.refusing = '';
  expect(await eventually(shown, healthy)).toEqual(healthy);
});

test('a kubelet that accepts and then does not follow is registered with again', async () => {
  node.kubelet.forgetful = true;
  await start();
  await eventually(registrations, 1);
  node.kubelet.forgetful = false;
  expect(await eventually(shown, healthy, 15_000)).toEqual(healthy);
  expect(registrations()).toBe(2);
});

test('a plugin that stops in good order removes its socket; its devices are unhealthy at once', async () => {
  await start();
  await eventually(shown, healthy);
  await plugin?.stop();
  plugin = undefined;
  expect(await eventually(shown, { 'GPU-a': 'Unhealthy' })).toEqual({ 'GPU-a': 'Unhealthy' });
  expect(existsSync(join(node.kubelet.pluginFolder, 'gpubroker-nvidia.com-gpu.sock'))).toBe(false);
});

test('a plugin that is killed and started again takes the place of its own dead socket', async () => {
  const first = startProcess();
  expect(await eventually(shown, healthy, 15_000)).toEqual(healthy);
  await first.kill();
  expect(await eventually(shown, { 'GPU-a': 'Unhealthy' })).toEqual({ 'GPU-a': 'Unhealthy' });
  expect(existsSync(join(node.kubelet.pluginFolder, 'gpubroker-nvidia.com-gpu.sock'))).toBe(true);
  const second = startProcess();
  expect(await eventually(shown, healthy, 15_000)).toEqual(healthy);
  await second.stop();
  expect(await second.exited).toBe(0);
});

test('two plugins do not take the resource from each other', async () => {
  await start();
  await eventually(shown, healthy);
  const second = await startDevicePlugin(node.server.socket, node.kubelet);
  try {
    const reason = () => second.readiness.reasons().some((one) => one.includes('another process serves'));
    expect(await eventually(reason, true)).toBe(true);
    expect(registrations()).toBe(1);
    expect(shown()).toEqual(healthy);
  } finally {
    await second.stop();
  }
});

test('a file in the place of its socket is left alone', async () => {
  const place = join(node.kubelet.pluginFolder, 'gpubroker-nvidia.com-gpu.sock');
  writeFileSync(place, 'mine');
  await start();
  const reason = () => plugin?.readiness.reasons().some((one) => one.includes('a file that is no socket'));
  expect(await eventually(reason, true)).toBe(true);
  expect(existsSync(place)).toBe(true);
});
