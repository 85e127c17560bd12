// From the kubelet to the book: a GPU that a pod holds is not for sale, and neither is one of which nobody knows.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newFolder } from '../fixtures/cache-server.ts';
import { Fleet } from '../fixtures/fleet.ts';
import { Kubelet } from '../fixtures/kubelet.ts';

let fleet: Fleet;
let kubelet: Kubelet;
beforeAll(async () => {
  kubelet = new Kubelet(newFolder());
  fleet = await Fleet.start([3], ['--pod-resources-socket', kubelet.podSocket]);
  await fleet.converged();
}, 120_000);
afterAll(async () => {
  await fleet?.remove();
  kubelet?.stop();
}, 60_000);

const forSale = async () => {
  const { asks } = await fleet.broker.admin.call('GET /market/depth', { query: { gpu_type: 'H100' } });
  return asks.reduce((sum, { quantity }) => sum + quantity, 0);
};
const allocations = async () => {
  const { items } = await fleet.broker.admin.call('GET /gpus', { query: {} });
  return items.map(({ pod_allocation }) => pod_allocation).sort();
};
const pod = (...deviceIds: string[]) => ({
  namespace: 'team',
  name: 'train',
  container: 'main',
  resource: 'nvidia.com/gpu',
  deviceIds,
});

test('the ask of a node follows what its pods hold', { timeout: 60_000 }, async () => {
  const machine = fleet.machines[0];
  if (!machine) throw new Error('no machine');
  const params = { id: machine.nodeId };
  const body = { base_price: 2, surge_enabled: false };
  await fleet.broker.admin.call('PUT /nodes/{id}/pricing', { params, body });

  // The kubelet does not answer yet: nobody knows whose the GPUs are.
  await expect.poll(allocations, { timeout: 10_000 }).toEqual(['unknown', 'unknown', 'unknown']);
  expect(await forSale()).toBe(0);

  await kubelet.startPods();
  await expect.poll(forSale, { timeout: 20_000 }).toBe(3);
  expect(await allocations()).toEqual(['none', 'none', 'none']);

  const [one = '', two = ''] = machine.driver.state.gpus.map(({ uuid }) => uuid);
  kubelet.pods = [pod(one, two)];
  const begun = performance.now();
  await expect.poll(forSale, { timeout: 10_000, interval: 20 }).toBe(1);
  console.info(`from the kubelet to the book: ${Math.round(performance.now() - begun)} ms`);
  expect(await allocations()).toEqual(['held', 'held', 'none']);
  const shown = await machine.agent.client.ok<{ device: { allocation: { holders: string[] } } }>('GetDevice', {
    name: one,
  });
  expect(shown.device.allocation.holders).toEqual(['team/train/main']);

  kubelet.pods = [pod(two)];
  await expect.poll(forSale, { timeout: 10_000 }).toBe(2);
  kubelet.pods = [];
  await expect.poll(forSale, { timeout: 10_000 }).toBe(3);
});
