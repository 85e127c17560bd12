// From a fault in the driver to the book: each kind of condition that makes a GPU unhealthy takes it off the market, and
// what only informs does not.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Fleet, type Machine } from '../fixtures/fleet.ts';
import type { FakeGpu } from '../fixtures/nvml/fake-driver.ts';

interface Fault {
  readonly type: string;
  readonly reason: string;
  readonly strike: (machine: Machine, gpu: FakeGpu) => void;
}

const xid =
  (data: number): Fault['strike'] =>
  ({ driver }, { uuid }) =>
    driver.emit({ gpu: uuid, type: 8, data });
const reads =
  (change: (gpu: FakeGpu) => unknown): Fault['strike'] =>
  ({ driver }, gpu) =>
    driver.update(() => void change(gpu));

const faults: Fault[] = [
  { type: 'HardwareFailure', reason: 'Xid79', strike: xid(79) },
  { type: 'HardwareFailure', reason: 'GpuLost', strike: reads((gpu) => Object.assign(gpu, { lost: true })) },
  {
    type: 'HardwareFailure',
    reason: 'UncorrectableEcc',
    strike: reads((gpu) => Object.assign(gpu.eccErrors ?? {}, { volatileUncorrected: 1 })),
  },
  { type: 'ResetRequired', reason: 'RecoveryReset', strike: reads((gpu) => Object.assign(gpu.fields, { '230': 1 })) },
  {
    type: 'ResetRequired',
    reason: 'RowRemapPending',
    strike: reads((gpu) => Object.assign(gpu.remappedRows ?? {}, { pending: 1 })),
  },
  { type: 'ResetRequired', reason: 'Xid156', strike: xid(156) },
  { type: 'Degraded', reason: 'Overheating', strike: reads((gpu) => Object.assign(gpu, { temperature: 95 })) },
  {
    type: 'Degraded',
    reason: 'NvlinkDown',
    strike: reads((gpu) => Object.assign(gpu.nvlinks?.[0] ?? {}, { active: 0 })),
  },
];
const harmless = [92, 94];
const gpus = faults.length + harmless.length;

let fleet: Fleet;
let machine: Machine;
beforeAll(async () => {
  fleet = await Fleet.start([gpus], ['--health-quiet-period', '30s']);
  await fleet.converged();
  const [first] = fleet.machines;
  if (!first) throw new Error('no machine');
  machine = first;
}, 120_000);
afterAll(() => fleet?.remove(), 60_000);

const soon = { timeout: 20_000, interval: 20 };

async function forSale(): Promise<number> {
  const { asks } = await fleet.broker.admin.call('GET /market/depth', { query: { gpu_type: 'H100' } });
  return asks.reduce((sum, { quantity }) => sum + quantity, 0);
}

async function shown(place: number) {
  const uuid = machine.driver.gpu(place).uuid.toLowerCase();
  const gpu = (await fleet.gpus()).find((one) => one.uuid.toLowerCase() === uuid);
  const conditions = gpu?.conditions.map(({ type, status, reason }) => `${type} ${status} ${reason}`);
  return { health: gpu?.health, conditions };
}

test('healthy GPUs are for sale', { timeout: 60_000 }, async () => {
  const body = { base_price: 2, surge_enabled: false };
  await fleet.broker.admin.call('PUT /nodes/{id}/pricing', { params: { id: machine.nodeId }, body });
  await expect.poll(forSale, soon).toBe(gpus);
});

test.each(faults.map((fault, place) => ({ ...fault, place })))(
  '$type, $reason',
  { timeout: 60_000 },
  async ({ type, reason, strike, place }) => {
    const before = await forSale();
    const begun = performance.now();
    strike(machine, machine.driver.gpu(place));
    await expect.poll(forSale, soon).toBe(before - 1);
    console.info(`${type}/${reason}, from the driver to the book: ${Math.round(performance.now() - begun)} ms`);
    expect(await shown(place)).toMatchObject({
      health: 'unhealthy',
      conditions: expect.arrayContaining([`${type} True ${reason}`]),
    });
  },
);

test.each(harmless.map((code, i) => ({ code, place: faults.length + i })))(
  'XID $code informs, and the GPU stays for sale',
  { timeout: 60_000 },
  async ({ code, place }) => {
    const before = await forSale();
    xid(code)(machine, machine.driver.gpu(place));
    const informed = expect.arrayContaining([expect.stringContaining(`True Xid${code}`)]);
    await expect.poll(() => shown(place), soon).toMatchObject({ health: 'healthy', conditions: informed });
    expect(await forSale()).toBe(before);
  },
);

test('a GPU that was reset and has proved itself is for sale again', { timeout: 120_000 }, async () => {
  machine.driver.update(() => Object.assign(machine.driver.gpu(0), { energy: 1 }));
  await expect.poll(() => shown(0), { timeout: 90_000, interval: 200 }).toMatchObject({ health: 'healthy' });
  const healthy = async () => (await fleet.gpus()).filter(({ health }) => health === 'healthy').length;
  await expect.poll(async () => (await forSale()) - (await healthy()), soon).toBe(0);
});
