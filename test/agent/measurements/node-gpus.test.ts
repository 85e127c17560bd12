// Which GPUs may compute for the agent, and that one is lost in the same turn in which somebody else wants it.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { NotFree } from '../../../src/agent/measurements/contract.ts';
import type { DeviceUse } from '../../../src/cache-server/device-details.ts';
import { MeasuredNode, name, processor, uuid } from '../../fixtures/measured-node.ts';

const computing = (count: number) => Array.from({ length: count }, (_, pid) => ({ pid, kind: 'compute' as const }));

let node: MeasuredNode;
beforeEach(async () => {
  node = await MeasuredNode.start();
});
afterEach(() => node.remove());

async function refusal(): Promise<string> {
  const taken = await node.free.take(name).catch((error: unknown) => error);
  if (!(taken instanceof NotFree)) throw new Error('the GPU is free');
  return `${taken.reason}: ${taken.message}`;
}

test('a free GPU is taken once, and again when it was released', async () => {
  const taken = await node.free.take(name);
  expect(taken).toMatchObject({ gpu: name, device: 0, info: processor });
  expect(await refusal()).toBe('busy: the agent itself computes on it already');
  expect([...node.watched]).toEqual([uuid]);
  taken.release();
  expect([...node.watched]).toEqual([]);
  (await node.free.take(name)).release();
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
  const { lost } = await node.free.take(name);
  node.use(held);
  // In this very turn.
  expect(lost.aborted).toBe(true);
  expect(`${lost.reason.reason}: ${lost.reason.message}`).toBe(message);
  node.free = node.freeGpus(true);
  expect(await refusal()).toBe(message);
});

test('without a broker, nobody has to say that a GPU is not sold', async () => {
  node.use({});
  node.free = node.freeGpus(false);
  (await node.free.take(name)).release();
});

test.each<[string, Parameters<MeasuredNode['show']>[0]]>([
  ['unhealthy: fell off the bus', { state: 'lost', message: 'fell off the bus' }],
  [
    'unsupported: it is divided into MIG instances',
    { record: { mig: { enabled: true, pending: true, instanceUuids: [] } } },
  ],
  ['busy: 2 foreign processes on it', { readings: { processes: computing(3) } }],
])('%s: it is refused, and lost where it computes', async (message, view) => {
  const { lost } = await node.free.take(name);
  node.show(view);
  expect(lost.aborted).toBe(true);
  expect(`${lost.reason.reason}: ${lost.reason.message}`).toBe(message);
});

test('a GPU that is gone is lost', async () => {
  const { lost } = await node.free.take(name);
  node.vanish();
  expect(lost.reason).toMatchObject({ reason: 'unhealthy', message: 'no driver shows this GPU' });
});

test('what somebody else reports of its health counts; that it is slow is what a measurement is for', async () => {
  const report = (type: string) =>
    node.server.client.ok('UpdateGpuStatus', {
      name,
      status: { conditions: [{ type, status: 'True', reason: 'Test', message: 'loud' }] },
    });
  await report('Degraded');
  const { lost } = await node.free.take(name);
  await report('HardwareFailure');
  expect(lost.reason).toMatchObject({ reason: 'unhealthy', message: 'HardwareFailure: Test: loud' });
});

test('a GPU in use is refused; what a simulated one shows of its load is invented', async () => {
  node.show({ readings: { utilizationPercent: 40 } });
  expect(await refusal()).toBe('busy: its utilisation is 40 %');
  node.show({ readings: { processes: computing(1) } });
  expect(await refusal()).toBe('busy: 1 foreign process on it');
  node.show({ source: 'simulated', readings: { utilizationPercent: 40 } });
  (await node.free.take(name)).release();
});

test('what was read long ago says nothing', async () => {
  node.now += 600_000;
  expect(await refusal()).toBe('unhealthy: its driver has not said lately how busy it is');
});

test('one process is ours from when a GPU is taken until the first reading after it is released', async () => {
  const taken = await node.free.take(name);
  node.show({ readings: { processes: computing(1), utilizationPercent: 100 } });
  expect(taken.lost.aborted).toBe(false);
  expect(node.free.ownProcesses(name)).toBe(1);
  node.now += 100;
  taken.release();
  // Nothing was read since: what was is of our own work.
  expect(node.free.ownProcesses(name)).toBe(1);
  const again = await node.free.take(name);
  again.release();
  node.now += 100;
  node.show({ readings: { processes: computing(1), utilizationPercent: 100 } });
  expect(node.free.ownProcesses(name)).toBe(0);
  expect(await refusal()).toBe('busy: 1 foreign process on it');
});

test('when the agent stops, what is taken is lost, and nothing is given any more', async () => {
  const { lost } = await node.free.take(name);
  node.free.stop();
  expect(lost.reason).toMatchObject({ message: 'the agent stops' });
  expect(node.free.obstacle(name)?.message).toBe('the agent stops');
});
