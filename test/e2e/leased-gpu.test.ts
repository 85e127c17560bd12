// A GPU that is sold is withdrawn from Kubernetes: from the trade to the kubelet, and back when its hold ends.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newFolder } from '../fixtures/cache-server.ts';
import { type DaemonProcess, startDaemon } from '../fixtures/daemon-process.ts';
import { Fleet } from '../fixtures/fleet.ts';
import { Kubelet } from '../fixtures/kubelet.ts';
import { newTrader, Person } from '../fixtures/traders.ts';

const resource = 'nvidia.com/gpu';
const product = 'H100-SXM5-80GB';
let fleet: Fleet;
let kubelet: Kubelet;
let plugin: DaemonProcess;
beforeAll(async () => {
  kubelet = new Kubelet(newFolder());
  await kubelet.start();
  fleet = await Fleet.start([3]);
  await fleet.converged();
}, 120_000);
afterAll(async () => {
  await plugin?.remove();
  await fleet?.remove();
  kubelet?.stop();
}, 60_000);

const healthy = () => Object.values(kubelet.health(resource)).filter((health) => health === 'Healthy').length;

test('a trade withdraws its GPUs, also while broker and agent are restarted; the end of its hold returns them', {
  timeout: 120_000,
}, async () => {
  const [machine] = fleet.machines;
  if (!machine) throw new Error('no machine');
  const { admin } = fleet.broker;
  const params = { id: machine.nodeId };
  await admin.call('PUT /nodes/{id}/pricing', { params, body: { base_price: 2, surge_enabled: false } });
  const places = ['--unix-socket', machine.agent.socket, '--kubelet-socket', kubelet.socket];
  plugin = startDaemon({ command: 'device-plugin', places });
  const patience = { timeout: 20_000, interval: 10 };
  await expect.poll(healthy, patience).toBe(3);

  const addresses = { urls: [fleet.broker.endpoints.http_url] };
  const boss = new Person(addresses, fleet.broker.adminKey);
  const trader = await newTrader(addresses, boss, { product, low: '1', high: '3' });
  await trader.deposit(100);
  const body = { type: 'bid', gpu_type: product, quantity: 2, price: '3', duration_hours: 1 } as const;
  const begun = performance.now();
  const order = await trader.person.insist((client) => client.call('POST /orders', { body, key: 'a-bid' }));
  expect(order.body?.status).toBe('filled');
  await expect.poll(healthy, patience).toBe(1);
  console.info(`from the order to the kubelet: ${Math.round(performance.now() - begun)} ms`);
  const withdrawn = Object.entries(kubelet.health(resource)).flatMap(([id, health]) =>
    health === 'Healthy' ? [] : [id],
  );
  expect(await kubelet.allocate(resource, withdrawn)).toEqual({
    code: 'FAILED_PRECONDITION',
    details: expect.stringContaining('it is leased'),
  });

  // Without its broker a node remembers, also when its agent is killed meanwhile.
  await fleet.broker.kill();
  await machine.agent.kill();
  machine.restart();
  await machine.agent.logged('started');
  await expect
    .poll(
      async () =>
        (await machine.agent.client.ok<{ devices: { leased?: boolean }[] }>('ListDevices', {})).devices
          .map(({ leased }) => leased)
          .sort(),
      patience,
    )
    .toEqual([false, true, true]);
  expect(healthy()).toBeLessThanOrEqual(1);

  await fleet.restartBroker();
  await fleet.converged();
  const { items: trades } = await fleet.broker.admin.call('GET /trades', { query: {} });
  for (const { id } of trades) {
    await fleet.broker.admin.call('POST /trades/{id}/end', { params: { id }, body: { reason: 'test' } });
  }
  await expect.poll(healthy, patience).toBe(3);
});
