// From work on a device to the market, with all the real parts between: what is proven decides which bids a GPU answers.
// The GPUs are those of a fake driver; the device that works for them is this machine's processor. One of them is asked
// for as much as a processor can do; the other poses as what it is not, and is given the time that the real one takes.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, vi } from 'vitest';
import { testWith } from '../capabilities.ts';
import type { FakeAgent } from '../fixtures/agent.ts';
import { type BrokerProcess, removeBroker, startBroker } from '../fixtures/broker-process.ts';
import { newFolder } from '../fixtures/cache-server.ts';
import { joinBroker, newCluster, newMachine, registerNode, removeAgent } from '../fixtures/joined-agent.ts';
import type { FakeDriver } from '../fixtures/nvml/fake-driver.ts';
import { newTrader, Person } from '../fixtures/traders.ts';

const test = testWith('opencl');
const [honest, posed] = ['H100-SXM5-80GB', 'A100-SXM4-80GB'];
const plan = { size: 512, rounds: 3, places: 48, expected_ms: 1_000, slowest_ms: 60_000, fastest_ms: 0 };
const plans = { [honest]: plan, [posed]: { ...plan, expected_ms: 1, slowest_ms: 1 } };
const patience = { timeout: 60_000, interval: 100 };

let broker: BrokerProcess;
let agent: FakeAgent;
let nodeId: string;
beforeAll(async () => {
  const file = join(newFolder(), 'plans.json');
  writeFileSync(file, JSON.stringify(plans));
  const flags = ['--heartbeat-interval', '1s', '--challenge-interval', '0s', '--challenge-plans', file];
  broker = await startBroker({ flags });
  const node = await registerNode(broker.admin, await newCluster(broker.admin), 'node-0');
  ({ nodeId } = node);
  const driver = newDriver();
  const devices = driver.state.gpus.map(({ uuid }) => `${uuid.toLowerCase()}=0`);
  agent = joinBroker({
    ...{ hostname: node.hostname, token: node.token, driver },
    ...{ brokerUrl: broker.endpoints.node_link_url, ca: broker.ca },
    flags: ['--compute-devices', devices.join(','), '--benchmark-interval', '0s'],
  });
  await vi.waitFor(async () => expect((await gpuOf(posed))?.health).toBe('healthy'), patience);
  const body = { base_price: 2, surge_enabled: false };
  await broker.admin.call('PUT /nodes/{id}/pricing', { params: { id: nodeId }, body });
}, 120_000);
afterAll(async () => {
  if (agent) await removeAgent(agent);
  if (broker) await removeBroker(broker);
}, 60_000);

/** Whose second GPU says that it is another model. */
function newDriver(): FakeDriver {
  const driver = newMachine(2);
  driver.update(({ gpus: [, second] }) => {
    if (!second?.pci) throw new Error('no second GPU');
    second.name = 'NVIDIA A100-SXM4-80GB';
    second.pci.deviceId = 0x20b210de;
  });
  return driver;
}

async function newBuyer(): Promise<Person> {
  const addresses = { urls: [broker.endpoints.http_url] };
  const boss = new Person(addresses, broker.adminKey);
  const trader = await newTrader(addresses, boss, { product: honest, low: '1', high: '3' });
  await trader.deposit(100);
  return trader.person;
}

async function gpuOf(product: string) {
  const { items } = await broker.admin.call('GET /gpus', { query: { node_id: nodeId } });
  return items.find((gpu) => gpu.product === product);
}

const challenge = () => broker.admin.call('POST /nodes/{id}/challenge', { params: { id: nodeId } });

test('a proof makes a GPU challenge-verified, and who asks for that label can buy it; what is not what it says cannot prove it', {
  timeout: 180_000,
}, async () => {
  const buyer = await newBuyer();
  const bid = { type: 'bid', quantity: 1, price: '3', duration_hours: 1, min_label: 'challenge-verified' } as const;
  const orders = await Promise.all(
    [honest, posed].map(async (gpu_type) => {
      const made = await buyer.insist((client) =>
        client.call('POST /orders', { body: { ...bid, gpu_type }, key: gpu_type }),
      );
      return made.body?.id ?? '';
    }),
  );
  const statuses = () =>
    Promise.all(orders.map(async (id) => (await broker.admin.call('GET /orders/{id}', { params: { id } })).status));
  expect(await statuses()).toEqual(['pending', 'pending']);

  const { outcomes } = await challenge();
  expect(outcomes.map(({ outcome, reason }) => `${outcome} ${reason}`).sort()).toEqual([
    'failed too-slow',
    'passed null',
  ]);
  expect((await gpuOf(honest))?.label).toBe('challenge-verified');
  expect((await gpuOf(posed))?.label).toBe('self-reported');
  await expect.poll(statuses, patience).toEqual(['filled', 'pending']);

  const { items } = await broker.admin.call('GET /verifications', { query: { node_id: nodeId } });
  expect(items.map(({ kind, outcome }) => `${kind} ${outcome}`).sort()).toEqual(['proof failed', 'proof passed']);
  const incidents = await broker.admin.call('GET /incidents', { query: { node_id: nodeId } });
  expect(incidents.items).toMatchObject([{ kind: 'proof-failed', status: 'open' }]);
});

test('a GPU that is sold is not challenged', { timeout: 60_000 }, async () => {
  const { outcomes } = await challenge();
  expect(outcomes.map(({ gpu_id }) => gpu_id)).toEqual([(await gpuOf(posed))?.id]);
});
