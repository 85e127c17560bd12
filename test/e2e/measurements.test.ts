// The agent measures its GPUs: what comes of it, and that it never keeps a GPU from whoever wants it.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect } from 'vitest';
import { seal, unseal } from '../../src/cache-server/state/line.ts';
import { benchmarkNames } from '../../src/score/figures.ts';
import type { Measurement } from '../../src/wire/gpubroker/device/v1/measurement.ts';
import { testWith } from '../capabilities.ts';
import { newFolder } from '../fixtures/cache-server.ts';
import type { DaemonProcess } from '../fixtures/daemon-process.ts';
import { Kubelet } from '../fixtures/kubelet.ts';
import {
  measure,
  measured,
  measuringProcesses,
  startOnFakeDriver,
  startSimulated,
  untilComputing,
} from '../fixtures/measured-agent.ts';

const test = testWith('opencl');
const timeout = 60_000;
/** All figures, on a processor that others use too. */
const slow = 180_000;
let agent: DaemonProcess;
afterEach(() => agent?.remove());

test('every figure is there, or why not; beside it how the GPU was, and what it says stays', {
  timeout: slow,
}, async () => {
  const started = await startSimulated('h200x1', 1);
  agent = started;
  const run = measure(agent);
  expect(await run.ended).toBe('OK');
  const progress = run.events.flatMap((news) => news.progress ?? []);
  expect(progress.map(({ done }) => done)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(progress.map(({ current }) => current)).toEqual([...benchmarkNames, '']);
  const [measurement] = run.events.flatMap((news) => news.measurement ?? []);
  expect(measurement).toMatchObject({ gpu: started.gpus[0], effort: 'quick', backend: 'opencl', label: 'simulated' });
  const figures = measurement?.figures ?? [];
  const names = [...figures, ...(measurement?.unmeasured ?? [])].map(({ name }) => name);
  expect(new Set(names)).toEqual(new Set([...benchmarkNames, 'ecc-corrected', 'ecc-uncorrected']));
  const fp32 = figures.find(({ name }) => name === 'fp32');
  expect(fp32?.samples).toHaveLength(3);
  expect(fp32?.conditions?.readings).toBeGreaterThan(0);
  expect(fp32?.conditions?.sm_mhz?.least).toBeGreaterThan(0);
  const { measurements } = await agent.client.ok<{ measurements: unknown[] }>('ListMeasurements', {});
  expect(measurements).toEqual([measurement]);
});

test('two GPUs that are one device have a parallel efficiency well below 1', { timeout: slow }, async () => {
  const started = await startSimulated('l40s-x4', 2);
  agent = started;
  const request = { gpus: started.gpus.slice(0, 2), benchmarks: ['fp32', 'memory-bandwidth'] };
  const { measurements } = await measured(agent, request);
  const efficiencies = measurements.map(
    ({ figures }) => figures.find(({ name }) => name === 'parallel-efficiency')?.samples[0],
  );
  console.info(`parallel efficiency of one device that is two GPUs: ${efficiencies.join(' and ')}`);
  expect(efficiencies).toHaveLength(2);
  // A half, where the processor has nothing else to do: to others it gives less when two want it.
  for (const efficiency of efficiencies) expect(efficiency).toBeLessThan(0.95);
});

test('a foreign process that computes stops a measurement, and while it computes none begins', {
  timeout,
}, async () => {
  const started = await startOnFakeDriver();
  agent = started;
  const run = measure(agent, { effort: 'thorough' });
  await untilComputing(agent);
  // Ours, as the driver lists it, and another.
  const both = [
    { pid: 1, usedMemory: null },
    { pid: 2, usedMemory: null },
  ];
  started.driver.update(() => (started.driver.gpu(0).processes.compute = both));
  expect(await run.ended).toBe('OK');
  expect(run.events.at(-1)?.not_measured).toMatchObject({ gpu: started.gpu, reason: 'busy' });
  expect(measuringProcesses(agent)).toEqual([]);
  started.driver.update(() => (started.driver.gpu(0).processes.compute = both.slice(0, 1)));
  const { notMeasured } = await measured(agent);
  expect(notMeasured).toEqual([{ gpu: started.gpu, reason: 'busy', message: '1 foreign process on it' }]);
});

test('a pod that is given the GPU stops a measurement', { timeout }, async () => {
  const kubelet = new Kubelet(newFolder());
  await kubelet.startPods();
  const socket = ['--pod-resources-socket', kubelet.podSocket];
  const started = await startSimulated('h200x1', 1, { flags: socket });
  agent = started;
  try {
    const run = measure(agent, { effort: 'thorough' });
    await untilComputing(agent);
    const pod = { namespace: 'team', name: 'train', container: 'main', resource: 'nvidia.com/gpu' };
    kubelet.pods = [{ ...pod, deviceIds: started.gpus }];
    await run.ended;
    const message = 'pod team/train/main holds it';
    expect(run.events.at(-1)?.not_measured).toEqual({ gpu: started.gpus[0], reason: 'held', message });
    expect(measuringProcesses(agent)).toEqual([]);
  } finally {
    kubelet.stop();
  }
});

test('a GPU that is slower than it was is unhealthy, through a restart, until it is as it was', {
  timeout,
}, async () => {
  const first = await startOnFakeDriver();
  agent = first;
  const request = { benchmarks: ['fp32'] };
  await measured(first, request);
  await first.stop();
  // As if it had been ten times as fast, four times.
  const path = join(first.folder, 'data', 'measurements');
  const [line = ''] = readFileSync(path, 'utf8').split('\n');
  const history = (factor: number) =>
    Array.from({ length: 4 }, (_, place) => {
      const { measurement } = unseal<{ measurement: Measurement }>(line) ?? {};
      const figures = measurement?.figures.map((one) => ({
        ...one,
        samples: one.samples.map((each) => factor * each),
      }));
      return seal({ measurement: { ...measurement, figures, id: `0000000${place}-0000-7000-8000-000000000000` } });
    }).join('');
  const restart = async () => {
    const next = await startOnFakeDriver({ folder: first.folder }, first.driver);
    agent = { ...next, remove: first.remove };
    return next;
  };
  writeFileSync(path, history(10));
  const second = await restart();
  await measured(second, request);
  const found = await second.condition(0, 'PerformanceDegraded');
  expect(found).toMatchObject({ status: 'True', reason: 'SlowerThanUsual' });
  expect(found?.message).toMatch(/^fp32: .* % of the usual speed/);
  await second.stop();
  const third = await restart();
  expect(await third.condition(0, 'PerformanceDegraded')).toMatchObject({ status: 'True', message: found?.message });
  await third.stop();
  writeFileSync(path, history(0.1));
  const fourth = await restart();
  await measured(fourth, request);
  expect(await fourth.condition(0, 'PerformanceDegraded')).toMatchObject({ status: 'False', reason: 'AsUsual' });
  await fourth.stop();
});

test('who ends the call ends the process, and its memory with it', { timeout }, async () => {
  agent = await startSimulated('h200x1', 1);
  const run = measure(agent, { effort: 'thorough', benchmarks: ['memory-check'] });
  await untilComputing(agent);
  run.cancel();
  await expect.poll(() => measuringProcesses(agent)).toEqual([]);
  const { measurements } = await measured(agent, { benchmarks: ['fp32'] });
  expect(measurements).toHaveLength(1);
});

test('the agent stops at once in the middle of a measurement', { timeout }, async () => {
  agent = await startSimulated('h200x1', 1);
  measure(agent, { effort: 'thorough' });
  const pid = await untilComputing(agent);
  const begun = performance.now();
  await agent.stop();
  expect(performance.now() - begun).toBeLessThan(1_500);
  expect(() => process.kill(pid, 0)).toThrow();
});

test('what was measured survives that the agent is killed', { timeout }, async () => {
  const first = await startSimulated('h200x1', 1);
  agent = first;
  const { measurements: before } = await measured(first, { benchmarks: ['fp32'] });
  expect(before).toHaveLength(1);
  await first.kill();
  agent = await startSimulated('h200x1', 1, { folder: first.folder });
  const { measurements } = await agent.client.ok<{ measurements: unknown[] }>('ListMeasurements', {});
  expect(measurements).toEqual(before);
});

test('GPUs are measured without being asked, each that has a compute device', { timeout: slow }, async () => {
  const started = await startSimulated('l40s-x4', 1, { flags: ['--benchmark-interval', '3s'] });
  agent = started;
  const list = () => agent.client.ok<{ measurements: { gpu: string }[] }>('ListMeasurements', {});
  await expect.poll(async () => (await list()).measurements.length, { timeout: slow }).toBeGreaterThan(0);
  expect(new Set((await list()).measurements.map(({ gpu }) => gpu))).toEqual(new Set(started.gpus.slice(0, 1)));
});

test('an order for what there is not is refused with what there is', { timeout }, async () => {
  agent = await startSimulated('h200x1', 0);
  const refused = async (request: object) => (await measured(agent, request)).code;
  expect(await refused({ gpus: ['gpu-x'] })).toBe('NOT_FOUND');
  expect(await refused({ effort: 'hard' })).toBe('INVALID_ARGUMENT');
  expect(await refused({ benchmarks: ['fp8'] })).toBe('INVALID_ARGUMENT');
  const { notMeasured } = await measured(agent);
  expect(notMeasured).toMatchObject([{ reason: 'unsupported', message: 'no compute library shows this GPU' }]);
});
