// The agent over a fake driver, as a device plugin on the socket sees it.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type FakeAgent, startAgent, untilReady } from '../fixtures/agent.ts';
import { connect } from '../fixtures/node-client.ts';

const probeInterval = 200;
const ok = { Ready: 'True', NVMLReady: 'True' };

let agent: FakeAgent;
beforeAll(async () => {
  agent = startAgent({ flags: ['--health-quiet-period', '0s'] });
  await untilReady(agent);
});
afterAll(() => agent.remove());

/** As a reset of the GPU does: it answers again, and its energy counts anew. */
function repair(place: number): void {
  const gpu = agent.driver.gpu(place);
  agent.driver.update(() => Object.assign(gpu, { lost: false, energy: (gpu.energy ?? 0) / 2 }));
}

test('lists 8 GPUs by their lowercased UUIDs, ready, with both versions equal', async () => {
  const { gpus } = await agent.list();
  const uuids = agent.driver.state.gpus.map(({ uuid }) => uuid);
  expect(gpus.map(({ spec }) => spec.uuid).sort()).toEqual([...uuids].sort());
  for (const gpu of gpus) {
    expect(gpu.metadata.name).toBe(gpu.spec.uuid.toLowerCase());
    expect(gpu.metadata.resource_version).toBe(gpu.resource_version);
    expect(gpu.status.conditions.map(({ type, status }) => [type, status])).toEqual([
      ['NVMLReady', 'True'],
      ['Ready', 'True'],
    ]);
  }
});

test('carries the full record of each device in DeviceDetails', async () => {
  const { devices } = await agent.client.ok<{ devices: Record<string, unknown>[] }>('ListDevices', {});
  expect(devices).toHaveLength(8);
  expect(devices[0]).toMatchObject({
    stale: false,
    source: 'nvml',
    vendor: 'nvidia',
    model: 'NVIDIA H100 80GB HBM3',
    architecture: 'hopper',
    compute_capability: '9.0',
    driver_version: '550.163.01',
    cuda_version: '12.4',
    vbios_version: '96.00.74.00.09',
    memory: { total_bytes: '85899345920', reserved_bytes: '1073741824' },
    power_limits: { enforced_milliwatts: 700_000 },
    ecc: { enabled: true, pending: true },
    mig: { enabled: false },
  });
});

test('shows readings as they move', async () => {
  const { uuid: name } = agent.driver.gpu(1);
  const readings = async () =>
    (await agent.client.ok<{ device: { readings: object } }>('GetDevice', { name })).device.readings;
  await expect.poll(readings).toMatchObject({ temperature_celsius: 34, power_milliwatts: 95_000 });
  agent.driver.update(() => Object.assign(agent.driver.gpu(1), { temperature: 71 }));
  await expect.poll(readings, { timeout: 3_000 }).toMatchObject({ temperature_celsius: 71 });
});

test('refuses to delete a GPU that it sees', async () => {
  const name = agent.driver.gpu(0).uuid;
  expect(await agent.client.call('DeleteGpu', { name })).toMatchObject({ code: 'FAILED_PRECONDITION' });
});

describe('a GPU that is lost', () => {
  test('is told as MODIFIED to every watcher within a probe interval, and as back once it was reset', async () => {
    const clients = Array.from({ length: 5 }, () => connect(`unix:${agent.socket}`));
    const watches = clients.flatMap((client) => Array.from({ length: 10 }, () => client.watch('WatchGpus')));
    await Promise.all(watches.map((watching) => watching.until(8)));
    const { uuid } = agent.driver.gpu(3);
    const started = Date.now();
    agent.driver.update(() => Object.assign(agent.driver.gpu(3), { lost: true }));
    await Promise.all(watches.map((watching) => watching.until(9)));
    // One interval, and what a busy machine with few cores takes to hand 50 events around.
    expect(Date.now() - started).toBeLessThan(probeInterval + 800);
    for (const { events } of watches) {
      expect(events[8]).toMatchObject({
        type: 'MODIFIED',
        object: {
          spec: { uuid },
          status: {
            conditions: [
              { type: 'HardwareFailure', status: 'True', reason: 'GpuLost' },
              { status: 'False', reason: 'GpuLost' },
              { status: 'False' },
            ],
          },
        },
      });
    }
    repair(3);
    await Promise.all(watches.map((watching) => watching.until(10)));
    // It answers, but has not proved itself yet.
    expect(watches[0]?.events[9]).toMatchObject({
      object: { spec: { uuid }, status: { conditions: [{ type: 'HardwareFailure' }, { status: 'True' }, {}] } },
    });
    await expect.poll(() => agent.conditions(3), { timeout: 10_000 }).toEqual(ok);
    for (const client of clients) client.close();
  });

  test('hides no other', async () => {
    agent.driver.update(() => Object.assign(agent.driver.gpu(0), { lost: true }));
    const lost = { Ready: 'False', NVMLReady: 'False', HardwareFailure: 'True' };
    await expect.poll(() => agent.conditions(0)).toEqual(lost);
    for (let place = 1; place < 8; place += 1) expect(await agent.conditions(place)).toEqual(ok);
    repair(0);
    await expect.poll(() => agent.conditions(0), { timeout: 10_000 }).toEqual(ok);
  });
});

describe('a driver call that hangs', () => {
  const hang = 'nvmlDeviceGetTemperature';

  test('on one GPU leaves GetGpu quick, turns that GPU Unknown by the deadline and leaves the others true', async () => {
    agent.driver.update((state) => {
      state.hangs = { [hang]: { 5: true } };
    });
    const started = Date.now();
    const slowest = { ms: 0 };
    for (;;) {
      const before = performance.now();
      const condition = await agent.condition(5, 'Ready');
      slowest.ms = Math.max(slowest.ms, performance.now() - before);
      for (const place of [0, 4, 6]) expect(await agent.conditions(place)).toEqual(ok);
      if (condition?.status === 'Unknown') {
        expect(condition.reason).toBe('DriverHung');
        break;
      }
      expect(Date.now() - started).toBeLessThan(1_000 + probeInterval + 1_500);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    // The budget is 10 ms; a machine that starts a probe on the same two cores is granted a little more.
    expect(slowest.ms).toBeLessThan(50);
    agent.driver.update((state) => {
      state.hangs = {};
    });
    await expect.poll(() => agent.conditions(5), { timeout: 15_000 }).toEqual(ok);
  });

  test('on all GPUs turns all Unknown, and back when it returns', async () => {
    agent.driver.update((state) => {
      state.hangs = { nvmlDeviceGetCount_v2: { '*': true } };
    });
    const statuses = async () => {
      const { gpus } = await agent.list();
      return gpus.flatMap(({ status }) => status.conditions.map((one) => one.status));
    };
    await expect.poll(statuses, { timeout: 10_000 }).toEqual(new Array(16).fill('Unknown'));
    agent.driver.update((state) => {
      state.hangs = {};
    });
    await expect.poll(statuses, { timeout: 20_000 }).toEqual(new Array(16).fill('True'));
  });
});

test('a probe that crashes is back within seconds, and no GPU turned anything meanwhile', async () => {
  const before = await agent.list();
  agent.driver.update((state) => {
    state.crashes = { nvmlDeviceGetTemperature: { 2: true } };
  });
  await new Promise((resolve) => setTimeout(resolve, probeInterval * 1.5));
  agent.driver.update((state) => {
    state.crashes = {};
  });
  const started = Date.now();
  const temperature = agent.driver.gpu(2);
  agent.driver.update(() => Object.assign(temperature, { lost: true }));
  await expect.poll(() => agent.conditions(2), { timeout: 5_000 }).toMatchObject({ Ready: 'False' });
  expect(Date.now() - started).toBeLessThan(5_000);
  repair(2);
  await expect.poll(() => agent.conditions(2), { timeout: 10_000 }).toEqual(ok);
  const after = await agent.list();
  const others = ({ gpus }: typeof before) => gpus.filter(({ spec }) => spec.uuid !== temperature.uuid);
  expect(others(after)).toEqual(others(before));
});

test('a GPU that is added is told as ADDED; one that is taken out as DELETED, but not at the first look', async () => {
  const watching = agent.client.watch('WatchGpus');
  await watching.until(8);
  const spare = { ...structuredClone(agent.driver.gpu(0)), uuid: 'GPU-ADDED000-0000-0000-0000-000000000009' };
  agent.driver.update((state) => state.gpus.push(spare));
  await watching.until(9);
  expect(watching.events[8]).toMatchObject({ type: 'ADDED', object: { spec: { uuid: spare.uuid } } });
  agent.driver.update((state) => state.gpus.splice(8, 1));
  await watching.until(11);
  expect(watching.events.slice(9).map(({ type }) => type)).toEqual(['MODIFIED', 'DELETED']);
  expect(watching.events[9]?.object.status.conditions).toMatchObject([
    { status: 'False', reason: 'NotEnumerated' },
    {},
  ]);
  watching.cancel();
});

test('metrics count its GPUs and say that NVML answers', async () => {
  const text = await agent.metrics();
  for (const line of [
    'device_api_server_cache_gpus_total 8',
    'device_api_server_cache_gpus_healthy 8',
    'device_api_server_cache_gpus_unhealthy 0',
    'device_api_server_cache_gpus_unknown 0',
    'device_api_server_nvml_provider_enabled 1',
    'device_api_server_nvml_gpu_count 8',
    'device_api_server_nvml_health_monitor_running 1',
    'device_api_server_provider_gpus_managed{provider_id="gpubroker-agent"} 8',
  ]) {
    expect(text.split('\n')).toContain(line);
  }
});
