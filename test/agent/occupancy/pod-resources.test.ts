// What is known of pods while the kubelet answers, and what is not while it does not.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { PodResources } from '../../../src/agent/occupancy/pod-resources.ts';
import { createLog } from '../../../src/daemon/logger.ts';
import { newFolder } from '../../fixtures/cache-server.ts';
import { Kubelet } from '../../fixtures/kubelet.ts';

const uuid = 'GPU-8f2c1d90-3e5a-4b17-9c2e-5da9abb51763';
const device = { uuid, vendor: 'nvidia', pci: undefined };
const held = { holders: ['team/train/main'], unknown: false };
const unknown = { holders: [], unknown: true };
let kubelet: Kubelet;
let pods: PodResources;
let reasons: string[];

const open = (knownFor: number) => {
  const output = { write: () => undefined };
  const { log } = createLog({ daemon: 'test', node: 'n', level: 'info', format: 'json', output });
  pods = new PodResources({ socket: kubelet.podSocket, knownFor, log, onChange: (reason) => reasons.push(reason) });
  pods.start();
};
const said = () => pods.allocations(device);

beforeEach(() => {
  reasons = [];
  kubelet = new Kubelet(newFolder());
  kubelet.pods = [
    { namespace: 'team', name: 'train', container: 'main', resource: 'nvidia.com/gpu', deviceIds: [uuid] },
  ];
});
afterEach(async () => {
  await pods.stop();
  kubelet.stop();
});

test('before the first answer nothing is known; a kubelet that comes is found', async () => {
  open(60_000);
  await expect.poll(() => reasons.length).toBeGreaterThan(0);
  expect(pods.isKnown).toBe(false);
  expect(said()).toEqual(unknown);
  await kubelet.startPods();
  await expect.poll(said, { timeout: 10_000 }).toEqual(held);
  expect(pods.reason).toBe('');
});

test('a pod that goes frees its device', async () => {
  await kubelet.startPods();
  open(60_000);
  await expect.poll(said).toEqual(held);
  kubelet.pods = [];
  await expect.poll(said, { timeout: 5_000 }).toEqual({ holders: [], unknown: false });
});

test('an answer holds through a restart of the kubelet', async () => {
  await kubelet.startPods();
  open(60_000);
  await expect.poll(said).toEqual(held);
  kubelet.stopPods();
  await expect.poll(() => pods.reason, { timeout: 10_000 }).not.toBe('');
  expect(said()).toEqual(held);
  await kubelet.startPods();
  await expect.poll(() => pods.reason, { timeout: 15_000 }).toBe('');
});

test('an answer that is too old is no longer known', async () => {
  await kubelet.startPods();
  open(100);
  await expect.poll(said).toEqual(held);
  kubelet.stopPods();
  await expect.poll(said, { timeout: 10_000 }).toEqual(unknown);
});

test('a kubelet that does not answer in time is one that does not answer', { timeout: 20_000 }, async () => {
  await kubelet.startPods();
  open(100);
  await expect.poll(said).toEqual(held);
  kubelet.podDelay = 60_000;
  await expect.poll(said, { timeout: 12_000 }).toEqual(unknown);
  expect(pods.reason).toMatch(/DEADLINE_EXCEEDED/);
});

test('an answer beyond all measure is refused', async () => {
  kubelet.pods = Array.from({ length: 60_000 }, (_, at) => ({
    namespace: 'team-of-many-people',
    name: `train-of-thought-${at}`,
    container: 'main',
    resource: 'nvidia.com/gpu',
    deviceIds: [uuid],
  }));
  await kubelet.startPods();
  open(100);
  await expect.poll(() => pods.reason, { timeout: 10_000 }).toMatch(/RESOURCE_EXHAUSTED/);
  expect(said()).toEqual(unknown);
});
