// Which GPUs may compute for the agent, and that one is lost in the same turn in which somebody else wants it.
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { DeviceReadings, DeviceRecord } from '../../../src/agent/devices/record.ts';
import type { DeviceView } from '../../../src/agent/devices/view.ts';
import { Gpus } from '../../../src/agent/gpus.ts';
import { ComputeDevices } from '../../../src/agent/measurements/compute-devices.ts';
import { NotFree } from '../../../src/agent/measurements/contract.ts';
import { NodeGpus } from '../../../src/agent/measurements/node-gpus.ts';
import { ReadingsFeed } from '../../../src/agent/measurements/readings.ts';
import type { DeviceUse } from '../../../src/cache-server/device-details.ts';
import { createLog } from '../../../src/daemon/logger.ts';
import { type RunningCacheServer, startCacheServer } from '../../fixtures/cache-server.ts';

const uuid = 'GPU-Aa';
const name = 'gpu-aa';
const idle: Partial<DeviceReadings> = { utilizationPercent: 0, processes: [] };
const computing = (count: number) => Array.from({ length: count }, (_, pid) => ({ pid, kind: 'compute' as const }));

let server: RunningCacheServer;
let gpus: Gpus;
let node: NodeGpus;
let readings: ReadingsFeed;
let use: DeviceUse;
let views: Map<string, DeviceView>;
let now: number;
let watched: Set<string>;
beforeEach(async () => {
  server = await startCacheServer();
  const { log } = createLog({ daemon: 'test', node: 'node', level: 'error', format: 'json' });
  gpus = new Gpus(server.cache, server.book, log);
  readings = new ReadingsFeed();
  [use, views, now, watched] = [{ leased: false }, new Map(), 1_000_000, new Set()];
  server.book.addUse(() => use);
  node = nodeWith(true);
  show({});
  await new Promise<void>((seen) => server.cache.read(() => seen()));
});
afterEach(async () => {
  gpus.stop();
  await server.remove();
});

function nodeWith(hasBroker: boolean): NodeGpus {
  return new NodeGpus({
    ...server,
    readings,
    hasBroker,
    compute: new ComputeDevices({ list: async () => [device], given: new Map([[name, 0]]), clock: () => 0 }),
    view: (one) => views.get(one),
    watchClosely: (one, closely) => (closely ? watched.add(one) : watched.delete(one)),
    polarity: new Map(),
    lookInterval: 20,
    readingInterval: 1_000,
    now: () => now,
  });
}

const device = {
  backend: 'opencl',
  name: 'a processor',
  driverVersion: '1',
  memoryBytes: 1,
  maxAllocationBytes: 1,
  units: 1,
  maxGroupSize: 1,
  clockMhz: 1,
  isCpu: true,
} as const;

/** The GPU as it is looked at now. */
function show(
  { record, readings: read, ...view }: Partial<Omit<DeviceView, 'record'>> & { record?: Partial<DeviceRecord> },
  to = node,
): void {
  const whole: DeviceView = {
    uuid,
    condition: 'NVMLReady',
    source: 'nvml',
    state: 'ok',
    message: '',
    ...view,
    record: { index: 0, uuid, vendor: 'nvidia', ...record },
    readings: { timeMs: now, ...idle, ...read },
  };
  views.set(uuid, whole);
  gpus.show(whole);
  to.deviceChanged(whole);
  readings.deviceChanged(whole);
}

async function refusal(): Promise<string> {
  const taken = await node.take(name).catch((error: unknown) => error);
  if (!(taken instanceof NotFree)) throw new Error('the GPU is free');
  return `${taken.reason}: ${taken.message}`;
}

test('a free GPU is taken once, and again when it was released', async () => {
  const taken = await node.take(name);
  expect(taken).toMatchObject({ gpu: name, device: 0, info: device });
  expect(await refusal()).toBe('busy: the agent itself computes on it already');
  expect([...watched]).toEqual([uuid]);
  taken.release();
  expect([...watched]).toEqual([]);
  (await node.take(name)).release();
});

test.each<[string, DeviceUse]>([
  ['held: it is sold', { leased: true }],
  ['held: the broker has not said yet whether it is sold', { leased: undefined }],
  [
    'held: pod team/train/main holds it',
    { leased: false, allocation: { holders: ['team/train/main'], unknown: false } },
  ],
  ['held: it is not known which pods hold it', { leased: false, allocation: { holders: [], unknown: true } }],
])('%s: it is refused, and lost where it computes', async (message, held) => {
  const { lost } = await node.take(name);
  use = held;
  server.book.useChanged();
  // In this very turn.
  expect(lost.aborted).toBe(true);
  expect(`${lost.reason.reason}: ${lost.reason.message}`).toBe(message);
  node = nodeWith(true);
  expect(await refusal()).toBe(message);
});

test('without a broker, nobody has to say that a GPU is not sold', async () => {
  use = {};
  node = nodeWith(false);
  (await node.take(name)).release();
});

test.each<[string, Parameters<typeof show>[0]]>([
  ['unhealthy: fell off the bus', { state: 'lost', message: 'fell off the bus' }],
  [
    'unsupported: it is divided into MIG instances',
    { record: { mig: { enabled: true, pending: true, instanceUuids: [] } } },
  ],
  ['busy: 2 foreign processes on it', { readings: { timeMs: 0, processes: computing(3) } }],
])('%s: it is refused, and lost where it computes', async (message, view) => {
  const { lost } = await node.take(name);
  show({ ...view, ...(view.readings && { readings: { ...view.readings, timeMs: now } }) });
  expect(lost.aborted).toBe(true);
  expect(`${lost.reason.reason}: ${lost.reason.message}`).toBe(message);
});

test('a GPU that is gone is lost', async () => {
  const { lost } = await node.take(name);
  views.delete(uuid);
  node.deviceChanged({ uuid });
  expect(lost.reason).toMatchObject({ reason: 'unhealthy', message: 'no driver shows this GPU' });
});

test('what somebody else reports of its health counts; that it is slow is what a measurement is for', async () => {
  const report = (type: string) =>
    server.client.ok('UpdateGpuStatus', {
      name,
      status: { conditions: [{ type, status: 'True', reason: 'Test', message: 'loud' }] },
    });
  await report('Degraded');
  const { lost } = await node.take(name);
  await report('HardwareFailure');
  expect(lost.reason).toMatchObject({ reason: 'unhealthy', message: 'HardwareFailure: Test: loud' });
});

test('a GPU in use is refused; what a simulated one shows of its load is invented', async () => {
  show({ readings: { timeMs: now, utilizationPercent: 40 } });
  expect(await refusal()).toBe('busy: its utilisation is 40 %');
  show({ readings: { timeMs: now, processes: computing(1) } });
  expect(await refusal()).toBe('busy: 1 foreign process on it');
  show({ source: 'simulated', readings: { timeMs: now, utilizationPercent: 40 } });
  (await node.take(name)).release();
});

test('what was read long ago says nothing', async () => {
  now += 10_000;
  expect(await refusal()).toBe('unhealthy: its driver has not said lately how busy it is');
});

test('one process is ours from when a GPU is taken until the first reading after it is released', async () => {
  const taken = await node.take(name);
  show({ readings: { timeMs: now, processes: computing(1), utilizationPercent: 100 } });
  expect(taken.lost.aborted).toBe(false);
  expect(node.ownProcesses(name)).toBe(1);
  now += 100;
  taken.release();
  // Nothing was read since: what was is of our own work.
  expect(node.ownProcesses(name)).toBe(1);
  const again = await node.take(name);
  again.release();
  now += 100;
  show({ readings: { timeMs: now, processes: computing(1), utilizationPercent: 100 } });
  expect(node.ownProcesses(name)).toBe(0);
  expect(await refusal()).toBe('busy: 1 foreign process on it');
});

test('when the agent stops, what is taken is lost, and nothing is given any more', async () => {
  const { lost } = await node.take(name);
  node.stop();
  expect(lost.reason).toMatchObject({ message: 'the agent stops' });
  expect(node.obstacle(name)?.message).toBe('the agent stops');
});
