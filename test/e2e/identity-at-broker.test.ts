// A node with a MI300X and a patched NVML, seen from the broker: the product of the one, the evidence against the other.
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { FakeAgent } from '../fixtures/agent.ts';
import { type BrokerProcess, removeBroker, startBroker } from '../fixtures/broker-process.ts';
import { addMi300x } from '../fixtures/host/amd-cards.ts';
import { createHostTree } from '../fixtures/host/host-tree.ts';
import { addWitnesses } from '../fixtures/host/nvidia-cards.ts';
import { joinBroker, newCluster, newMachine, registerNode, removeAgent } from '../fixtures/joined-agent.ts';

let broker: BrokerProcess;
beforeAll(async () => {
  broker = await startBroker({ flags: ['--heartbeat-interval', '1s'], simulated: false });
}, 90_000);
let agent: FakeAgent | undefined;
afterAll(async () => {
  if (agent) await removeAgent(agent);
  if (broker) await removeBroker(broker);
}, 60_000);

test('the records reach the broker as they are', async () => {
  const driver = newMachine(1);
  const tree = createHostTree();
  addWitnesses(tree, driver);
  addMi300x(tree, '0000:85:00.0');
  driver.update(() => Object.assign(driver.gpu(0), { name: 'NVIDIA H200' }));
  const node = await registerNode(broker.admin, await newCluster(broker.admin), 'mixed-1');
  agent = joinBroker({
    ...node,
    brokerUrl: broker.endpoints.node_link_url,
    ca: broker.ca,
    driver,
    flags: ['--host-root', tree.root],
  });
  const gpus = async (query: object) => (await broker.admin.call('GET /gpus', { query })).items;
  await vi.waitFor(async () => expect(await gpus({ node_id: node.nodeId })).toHaveLength(2), {
    timeout: 60_000,
    interval: 200,
  });
  expect(await gpus({ node_id: node.nodeId, vendor: 'amd' })).toMatchObject([
    {
      uuid: 'GPU-a1b2c3d4e5f60718',
      model: 'AMD Instinct MI300X OAM',
      product: 'MI300X-OAM-192GB',
      health: 'healthy',
      attributes: { compute_partition: 'spx' },
    },
  ]);
  const disagreeing = JSON.stringify({ identity_evidence: [{ verdict: 'disagrees' }] });
  expect(await gpus({ node_id: node.nodeId, attributes: disagreeing })).toMatchObject([
    {
      vendor: 'nvidia',
      attributes: {
        identity_evidence: expect.arrayContaining([
          {
            check: 'model',
            witness: 'kernel-module',
            verdict: 'disagrees',
            message: 'the driver says NVIDIA H200, kernel-module says NVIDIA H100 80GB HBM3',
          },
          expect.objectContaining({ check: 'uuid', witness: 'kernel-module', verdict: 'agrees' }),
        ]),
      },
    },
  ]);
}, 90_000);
