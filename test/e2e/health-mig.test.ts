// Health of MIG instances on the whole way: who is hit by an event, and who by what the whole GPU suffers.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FakeAgent, startAgent, untilReady } from '../fixtures/agent.ts';
import { divide } from '../fixtures/nvml/fake-driver.ts';

let agent: FakeAgent;
beforeAll(async () => {
  agent = startAgent({ options: { gpus: 2 }, flags: ['--health-quiet-period', '0s', '--telemetry-interval', '300ms'] });
  agent.driver.update(() => divide(agent.driver.gpu(0), 3));
  await untilReady(agent);
}, 60_000);
afterAll(() => agent.remove());

const soon = { timeout: 15_000 };
const instances = () => agent.driver.gpu(0).mig?.instances.flatMap((instance) => instance ?? []) ?? [];

/** The unhealthy conditions of the divided GPU, then of its instances, then of the other GPU. */
async function sick(): Promise<string[]> {
  const uuids = [agent.driver.gpu(0).uuid, ...instances().map(({ uuid }) => uuid), agent.driver.gpu(1).uuid];
  const { gpus } = await agent.list();
  return uuids.map((uuid) => {
    const conditions = gpus.find(({ spec }) => spec.uuid === uuid)?.status.conditions ?? [];
    const bad = conditions.filter(({ type }) => ['HardwareFailure', 'ResetRequired', 'Degraded'].includes(type));
    return bad.map(({ reason }) => reason).join();
  });
}

test('a GPU in MIG mode says so, its instances and other GPUs do not', async () => {
  await expect.poll(async () => (await agent.list()).gpus.length, soon).toBe(5);
  const { gpus } = await agent.list();
  const divided = gpus.filter(({ status }) => status.conditions.some(({ type }) => type === 'MIGEnabled'));
  expect(divided.map(({ spec }) => spec.uuid)).toEqual([agent.driver.gpu(0).uuid]);
});

test('an XID that names an instance hits that one alone, and heals by its own rule', async () => {
  const { uuid } = agent.driver.gpu(0);
  const [, second] = instances();
  if (!second) throw new Error('the GPU has no second instance');
  const { gpuInstance = -1, computeInstance = -1 } = second;
  agent.driver.emit({ gpu: uuid, type: 8, data: 48, gpuInstance, computeInstance });
  await expect.poll(sick, { ...soon, interval: 20 }).toEqual(['', '', 'Xid48', '', '']);
  await expect.poll(sick, soon).toEqual(['', '', '', '', '']);
});

test('what the whole GPU suffers hits all of its instances, and no other GPU', async () => {
  const gpu = agent.driver.gpu(0);
  agent.driver.update(() => Object.assign(gpu.fields, { '230': 1 }));
  const all = (reason: string) => [reason, reason, reason, reason, ''];
  await expect.poll(sick, soon).toEqual(all('RecoveryReset'));
  agent.driver.update(() => Object.assign(gpu.fields, { '230': 0 }));
  await expect.poll(sick, soon).toEqual(all(''));
});

test('an instance that is taken apart is no missing GPU', async () => {
  agent.driver.update(() => divide(agent.driver.gpu(0), 2));
  await expect.poll(async () => (await agent.list()).gpus.length, soon).toBe(4);
  expect(await agent.metrics()).toContain('gpubroker_gpus_missing{seen="before"} 0\n');
});
