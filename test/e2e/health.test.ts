// Faults and recovery as a node lives through them: what passes, what does not heal by itself, what a restart leaves,
// and what the machine itself has to say.
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { command } from '../cli/command.ts';
import { type FakeAgent, startAgent, untilReady } from '../fixtures/agent.ts';
import { newFolder } from '../fixtures/cache-server.ts';
import { createHostTree } from '../fixtures/host/host-tree.ts';
import { addPciFunction, h100Pci } from '../fixtures/host/pci.ts';
import { createFakeDriver, type FakeDriver } from '../fixtures/nvml/fake-driver.ts';

let driver: FakeDriver | undefined;
let agent: FakeAgent;
afterEach(async () => {
  await agent.remove();
  driver?.remove();
  driver = undefined;
});

async function start(flags: string[] = [], folder?: string): Promise<FakeAgent> {
  driver ??= createFakeDriver({ gpus: 2 });
  const quick = ['--health-quiet-period', '0s', '--telemetry-interval', '300ms'];
  agent = startAgent({ driver, flags: [...quick, ...flags], ...(folder === undefined ? {} : { folder }) });
  await untilReady(agent);
  return agent;
}

const soon = { timeout: 15_000 };
const well = { Ready: 'True', NVMLReady: 'True' };
const failed = { ...well, HardwareFailure: 'True' };
/** Long enough for several looks that would heal. */
const wait = (ms = 2_500) => new Promise((resolve) => setTimeout(resolve, ms));

test("a driver's passing error deletes nothing and heals by itself", async () => {
  const { client, driver: machine, conditions } = await start();
  const watching = client.watch('WatchGpus');
  await watching.until(2);
  machine.update((state) => {
    state.errors = { '*': { 1: 999 }, nvmlDeviceGetCount_v2: { '*': 999 } };
  });
  await expect.poll(() => conditions(1), soon).toEqual({ Ready: 'Unknown', NVMLReady: 'Unknown' });
  await wait(1_500);
  machine.update((state) => {
    state.errors = {};
  });
  await expect.poll(() => conditions(0), soon).toEqual(well);
  await expect.poll(() => conditions(1), soon).toEqual(well);
  expect(watching.events.slice(2).filter(({ type }) => type !== 'MODIFIED')).toEqual([]);
});

test('a real loss does not heal by itself: it takes a reload of the driver, or a reset', async () => {
  const { driver: machine, conditions } = await start();
  machine.update(() => Object.assign(machine.gpu(1), { lost: true }));
  await expect.poll(() => conditions(1), soon).toEqual({ Ready: 'False', NVMLReady: 'False', HardwareFailure: 'True' });
  machine.update(() => Object.assign(machine.gpu(1), { lost: false }));
  await expect.poll(() => conditions(1), soon).toEqual(failed);
  await wait();
  expect(await conditions(1)).toEqual(failed);
  machine.unload();
  await expect.poll(() => agent.condition(1, 'Ready'), soon).toMatchObject({ reason: 'DriverNotLoaded' });
  machine.update(() => undefined);
  await expect.poll(() => conditions(1), soon).toEqual(well);
  expect(await conditions(0)).toEqual(well);
});

test('as long as the driver asks for a reset the GPU is not healthy', async () => {
  const { driver: machine, conditions } = await start();
  const gpu = machine.gpu(0);
  machine.update(() => Object.assign(gpu.fields, { '230': 1 }));
  machine.emit({ gpu: gpu.uuid, type: 8, data: 95 });
  await expect.poll(() => conditions(0), soon).toEqual({ ...failed, ResetRequired: 'True' });
  await wait();
  expect(await conditions(0)).toEqual({ ...failed, ResetRequired: 'True' });
  machine.update(() => Object.assign(gpu.fields, { '230': 0 }));
  await expect.poll(() => conditions(0), soon).toEqual(well);
});

test('kill -9 heals nothing, and what was seen of a reset still counts', async () => {
  const { driver: machine, condition, folder } = await start();
  machine.emit({ gpu: machine.gpu(0).uuid, type: 8, data: 79 });
  await expect.poll(() => condition(0, 'HardwareFailure'), soon).toMatchObject({ reason: 'Xid79' });
  await agent.kill();
  agent.client.close();
  await start([], folder);
  await wait();
  expect(await agent.conditions(0)).toEqual(failed);
  expect(await agent.condition(0, 'HardwareFailure')).toMatchObject({
    reason: 'Xid79',
    message: 'XID 79: GPU has fallen off the bus',
  });
  expect((await agent.client.ok('GetGpu', { name: machine.gpu(0).uuid })).gpu.status.recommended_action).toBe(
    'RebootNode',
  );
  machine.update(() => Object.assign(machine.gpu(0), { energy: 5 }));
  await expect.poll(() => agent.conditions(0), soon).toEqual(well);
});

test('a reset while the agent was stopped counts once an operator declares it', async () => {
  const { driver: machine, condition, folder } = await start();
  machine.emit({ gpu: machine.gpu(0).uuid, type: 8, data: 79 });
  await expect.poll(() => condition(0, 'HardwareFailure'), soon).toMatchObject({ reason: 'Xid79' });
  await agent.stop();
  agent.client.close();
  machine.update(() => Object.assign(machine.gpu(0), { energy: 5 }));
  await start([], folder);
  await wait();
  expect(await agent.conditions(0)).toEqual(failed);
  const declared = await command('gpus', 'declare-reset', machine.gpu(0).uuid, '--socket', agent.socket);
  expect(declared).toMatchObject({ code: 0, stdout: expect.stringContaining('healthy after 0s') });
  await expect.poll(() => agent.conditions(0), soon).toEqual(well);
});

test.each([
  [2, 'UncorrectableEcc'],
  [0x4000, 'GpuUnavailable'],
])('event %i of the driver is a failure with the reason %s', async (type, reason) => {
  const { driver: machine, condition } = await start();
  machine.emit({ gpu: machine.gpu(1).uuid, type, data: 0 });
  await expect.poll(() => condition(1, 'HardwareFailure'), soon).toMatchObject({ status: 'True', reason });
});

test('XIDs that the operator calls fatal or ignored', async () => {
  const { driver: machine, condition, conditions } = await start(['--fatal-xids', '31,500', '--ignored-xids', '48,31']);
  for (const data of [48, 31, 500]) machine.emit({ gpu: machine.gpu(0).uuid, type: 8, data });
  await expect
    .poll(() => condition(0, 'HardwareFailure'), soon)
    .toMatchObject({ message: 'XID 31: GPU memory page fault; XID 500: not in the catalog' });
  expect(await conditions(0)).toEqual(failed);
});

function hostWithLog(): string {
  const root = newFolder();
  mkdirSync(join(root, 'dev'));
  writeFileSync(join(root, 'dev/kmsg'), '4,1,1,-;NVRM: Xid (PCI:0000:1b:00): 48, pid=1\n');
  return root;
}

test("the kernel's log is heard where the driver is silent, and not twice where it is not", async () => {
  const root = hostWithLog();
  const log = join(root, 'dev/kmsg');
  const { driver: machine, conditions, metrics } = await start(['--host-root', root, '--kernel-log', 'on']);
  await wait(1_500);
  appendFileSync(log, '4,2,2,-;NVRM: Xid (PCI:0000:1b:00): 62, pid=1, name=x\n');
  appendFileSync(log, '4,3,3,-;NVRM: Xid (PCI:0000:1a:00): 92, pid=1, name=x\n');
  machine.emit({ gpu: machine.gpu(0).uuid, type: 8, data: 92 });
  await expect.poll(() => conditions(1), soon).toEqual(failed);
  expect(await agent.condition(1, 'HardwareFailure')).toMatchObject({ reason: 'Xid62' });
  const text = await metrics();
  expect(text).toContain('gpubroker_xid_events_total{xid="62",class="fatal"} 1\n');
  expect(text).toContain('gpubroker_xid_events_total{xid="92",class="warning"} 1\n');
  expect((await agent.health('/readyz')).body).not.toContain('kernel log');
});

test('a log that was asked for and cannot be read is a warning', async () => {
  await start(['--host-root', newFolder(), '--kernel-log', 'on']);
  await expect.poll(async () => (await agent.health('/readyz')).body, soon).toContain('kernel log');
});

test('a GPU that goes missing is named by the warning and counted', async () => {
  const { driver: machine } = await start();
  const { uuid } = machine.gpu(1);
  machine.update((state) => state.gpus.splice(1, 1));
  await expect.poll(async () => (await agent.health('/readyz')).body, soon).toContain(`gone: ${uuid.toLowerCase()}`);
  expect(await agent.metrics()).toContain('gpubroker_gpus_missing{seen="before"} 1\n');
  expect(await agent.client.call('GetGpu', { name: uuid })).toMatchObject({ code: 'NOT_FOUND' });
});

test('a GPU that the PCI bus still shows is kept, has failed, and is well again once it is back and proved', async () => {
  const tree = createHostTree();
  addPciFunction(tree, '0000:1b:00.0', h100Pci, 'nvidia');
  const { driver: machine, conditions } = await start(['--host-root', tree.root]);
  const gone = machine.gpu(1);
  machine.update((state) => state.gpus.splice(1, 1));
  const shown = async () => (await agent.client.ok('GetGpu', { name: gone.uuid })).gpu.status.conditions;
  await expect
    .poll(shown, soon)
    .toMatchObject([
      { type: 'HardwareFailure', reason: 'NotEnumerated', status: 'True' },
      { status: 'False' },
      { type: 'Ready', reason: 'NotEnumerated' },
    ]);
  expect((await agent.health('/readyz')).body).toContain('not shown by the driver: 0000:1b:00.0');
  machine.update((state) => state.gpus.push(gone));
  await expect.poll(() => conditions(1), soon).toEqual(well);
  expect((await agent.health('/readyz')).body).not.toContain('gpus');
});
