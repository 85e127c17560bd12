// From the driver to the kubelet: the plugin and the agent as processes, on a fake driver.
import { afterEach, expect, test } from 'vitest';
import { type FakeAgent, startAgent, untilReady } from '../fixtures/agent.ts';
import { newFolder } from '../fixtures/cache-server.ts';
import { type DaemonProcess, startDaemon } from '../fixtures/daemon-process.ts';
import { eventually } from '../fixtures/device-plugin.ts';
import { Kubelet } from '../fixtures/kubelet.ts';
import { divide } from '../fixtures/nvml/state.ts';

const gpu = 'nvidia.com/gpu';
let agent: FakeAgent | undefined;
let plugin: DaemonProcess | undefined;
let kubelet: Kubelet | undefined;

afterEach(async () => {
  await plugin?.remove();
  await agent?.remove();
  kubelet?.stop();
});

test('a GPU that is lost is withdrawn, alone, also when agent and plugin are killed meanwhile', async () => {
  const node = new Kubelet(newFolder());
  kubelet = node;
  await node.start();
  const first = startAgent();
  agent = first;
  const { driver, socket, folder } = first;
  const places = ['--unix-socket', socket, '--kubelet-socket', node.socket];
  plugin = startDaemon({ command: 'device-plugin', places });
  const uuids = driver.state.gpus.map(({ uuid }) => uuid);
  const health = (lost?: string) => Object.fromEntries(uuids.map((id) => [id, id === lost ? 'Unhealthy' : 'Healthy']));
  const shown = () => node.health(gpu);
  expect(await eventually(shown, health(), 15_000)).toEqual(health());

  const lost = uuids[3] ?? '';
  driver.update((state) => {
    const found = state.gpus[3];
    if (found) found.lost = true;
  });
  expect(await eventually(shown, health(lost), 15_000)).toEqual(health(lost));
  expect(await node.allocate(gpu, [lost])).toHaveProperty('code', 'FAILED_PRECONDITION');

  const [one = '', two = ''] = uuids;
  const answer = await node.allocate(gpu, [one, two]);
  expect(answer).toMatchObject({
    ok: [{ cdi_devices: [{ name: `nvidia.com/gpu=${one}` }, { name: `nvidia.com/gpu=${two}` }] }],
  });
  expect(await node.prefer(gpu, uuids, [], 2)).toHaveProperty('ok');

  await first.kill();
  await plugin.kill();
  agent = startAgent({ driver, folder });
  plugin = startDaemon({ command: 'device-plugin', places });
  await eventually(() => node.registered.length, 2, 15_000);
  const healthy = () => Object.values(shown()).filter((one) => one === 'Healthy').length;
  expect(await eventually(healthy, 7, 15_000)).toBe(7);
  expect(shown()[lost]).not.toBe('Healthy');
  expect(await plugin.metrics()).toContain(`gpubroker_device_plugin_devices{resource="${gpu}",health="healthy"} 7`);
  await untilReady(plugin);
});

test('the instances of a divided GPU are a resource of their own, as the driver has them, and the whole GPU is none', async () => {
  const node = new Kubelet(newFolder());
  kubelet = node;
  await node.start();
  const running = startAgent({ options: { gpus: 2 } });
  agent = running;
  const { driver, socket } = running;
  driver.update(() => divide(driver.gpu(0), 7));
  const flags = ['--mig-strategy', 'mixed'];
  plugin = startDaemon({
    command: 'device-plugin',
    places: ['--unix-socket', socket, '--kubelet-socket', node.socket],
    flags,
  });
  const small = 'nvidia.com/mig-1g.10gb';
  const uuids = driver.gpu(0).mig?.instances.flatMap((instance) => instance?.uuid ?? []) ?? [];
  const healthy = Object.fromEntries(uuids.map((uuid) => [uuid, 'Healthy']));
  expect(uuids).toHaveLength(7);
  expect(await eventually(() => node.health(small), healthy, 15_000)).toEqual(healthy);
  const whole = driver.gpu(1).uuid;
  expect(await eventually(() => node.health(gpu), { [whole]: 'Healthy' }, 15_000)).toEqual({ [whole]: 'Healthy' });
  expect(await node.allocate(small, uuids.slice(0, 1))).toHaveProperty('ok');

  driver.update(() => {
    driver.gpu(0).lost = true;
  });
  const sick = Object.fromEntries(uuids.map((uuid) => [uuid, 'Unhealthy']));
  expect(await eventually(() => node.health(small), sick, 15_000)).toEqual(sick);
});
