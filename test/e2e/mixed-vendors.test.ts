// `--sources auto` on machines with cards of AMD and Intel: their sources run where such a card is, and nowhere else.
import { afterEach, expect, test } from 'vitest';
import { untilReady } from '../fixtures/agent.ts';
import { type DaemonProcess, startDaemon } from '../fixtures/daemon-process.ts';
import { addMi300x, addRadeonInCpu } from '../fixtures/host/amd-cards.ts';
import { createHostTree, type HostTree } from '../fixtures/host/host-tree.ts';
import { addArcB580, addIntelInCpu } from '../fixtures/host/intel-cards.ts';
import { createFakeDriver } from '../fixtures/nvml/fake-driver.ts';

let daemon: DaemonProcess | undefined;
afterEach(() => daemon?.remove());

const poll = { timeout: 10_000 };
const quick = ['--probe-interval', '200ms', '--telemetry-interval', '500ms'];

function start(tree: HostTree, library: string, env = {}, command = 'agent'): DaemonProcess {
  const where = ['--host-root', tree.root, '--nvml-library', library];
  daemon = startDaemon({ command, flags: [...where, ...quick, ...(command === 'up' ? ['--broker=false'] : [])], env });
  return daemon;
}

async function devices(): Promise<{ source: string; health: string; model: string }[]> {
  return (
    (await daemon?.client.ok<{ devices: { source: string; health: string; model: string }[] }>('ListDevices', {}))
      ?.devices ?? []
  );
}

test('cards of three vendors side by side', async () => {
  const tree = createHostTree();
  addMi300x(tree, '0000:85:00.0');
  addArcB580(tree, '0000:03:00.0');
  // A GPU of NVIDIA that the PCI bus shows.
  tree.writeAll('sys/bus/pci/devices/0000:1b:00.0', { class: '0x030200', vendor: '0x10de', device: '0x2330' });
  const driver = createFakeDriver({ gpus: 1 });
  await untilReady(start(tree, driver.libraryPath, driver.env));
  expect((await devices()).map(({ source, health }) => `${source} ${health}`).sort()).toEqual([
    'amd healthy',
    'intel healthy',
    'nvml healthy',
  ]);
  driver.remove();
});

test('an error in the memory of an AMD card that could not be corrected makes it unhealthy', async () => {
  const tree = createHostTree();
  const card = addMi300x(tree, '0000:85:00.0');
  await untilReady(start(tree, '/no/such/libnvidia-ml.so.1'));
  // What grows is measured from the first reading on.
  const well = [{ health: 'healthy', readings: { ecc_errors: { volatile_uncorrected: '0' } } }];
  await expect.poll(devices, poll).toMatchObject(well);
  card.set({ 'ras/umc_err_count': 'ue: 1\nce: 42' });
  await expect.poll(async () => (await devices()).map(({ health }) => health), poll).toEqual(['unhealthy']);
});

test('without a card of theirs, no source of theirs runs', async () => {
  const tree = createHostTree();
  addRadeonInCpu(tree, '0000:c1:00.0');
  addIntelInCpu(tree, 'i915');
  const driver = createFakeDriver({ gpus: 1 });
  await untilReady(start(tree, driver.libraryPath, driver.env));
  const { sources } = await (daemon as DaemonProcess).client.ok<{ sources: { name: string }[] }>('GetStatus', {});
  expect(sources.map(({ name }) => name)).toEqual(['nvml']);
  driver.remove();
});

test('a card that comes later is found, and NVML is given up where it has nothing', async () => {
  const tree = createHostTree();
  const agent = start(tree, '/no/such/libnvidia-ml.so.1');
  const body = async () => (await agent.health('/readyz')).body;
  await expect.poll(body, poll).toContain('libnvidia-ml');
  addMi300x(tree, '0000:85:00.0');
  await untilReady(agent);
  expect(await body()).not.toContain('libnvidia-ml');
  expect(await devices()).toMatchObject([{ source: 'amd', model: 'AMD Instinct MI300X OAM' }]);
}, 60_000);

test('`up` serves a card of AMD, and simulates nothing', async () => {
  const tree = createHostTree();
  addMi300x(tree, '0000:85:00.0');
  await untilReady(start(tree, '/no/such/libnvidia-ml.so.1', {}, 'up'));
  expect((await devices()).map(({ source }) => source)).toEqual(['amd']);
});

test('`up` on a machine whose only GPU is in its CPU simulates some', async () => {
  const tree = createHostTree();
  addIntelInCpu(tree, 'xe');
  await untilReady(start(tree, '/no/such/libnvidia-ml.so.1', {}, 'up'));
  expect(new Set((await devices()).map(({ source }) => source))).toEqual(new Set(['simulated']));
});
