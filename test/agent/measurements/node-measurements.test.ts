// The measurements of a node on a real device: one run at a time, each ended as soon as somebody else wants the GPU.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, expect } from 'vitest';
import type { MeasurementOrder } from '../../../src/agent/measurements/contract.ts';
import { KeptMeasurements } from '../../../src/agent/measurements/kept-measurements.ts';
import { observeMeasurements } from '../../../src/agent/measurements/metrics.ts';
import { NodeMeasurements } from '../../../src/agent/measurements/node-measurements.ts';
import { listDevices } from '../../../src/agent/verification/measuring.ts';
import type { ReportedCondition } from '../../../src/cache-server/write.ts';
import { newId } from '../../../src/daemon/new-id.ts';
import type { RunMeasurementResponse } from '../../../src/wire/gpubroker/device/v1/measurement.ts';
import { testWith } from '../../capabilities.ts';
import { newFolder } from '../../fixtures/cache-server.ts';
import { MeasuredNode, name } from '../../fixtures/measured-node.ts';

const test = testWith('opencl');
const timeout = 60_000;
const order = (more: Partial<MeasurementOrder> = {}): MeasurementOrder => ({
  gpus: [name],
  effort: 'quick',
  benchmarks: ['fp32'],
  ...more,
});
const never = new AbortController().signal;

let folder: string;
let node: MeasuredNode;
let kept: KeptMeasurements;
let measurements: NodeMeasurements;
let registry: Registry;
let reported: [string, ReportedCondition | undefined][];
beforeEach(async () => {
  folder = newFolder();
  node = await MeasuredNode.start(listDevices);
  kept = await KeptMeasurements.open({ path: join(folder, 'kept'), log: node.log, onTrouble: () => undefined });
  registry = new Registry();
  reported = [];
  const { free: gpus, readings, log } = node;
  const metrics = observeMeasurements(
    registry,
    () => kept.all,
    () => gpus.taken,
  );
  const report = (gpu: string, condition: ReportedCondition | undefined) => void reported.push([gpu, condition]);
  const parts = { gpus, readings, kept, metrics, report, log, newId };
  measurements = new NodeMeasurements({ ...parts, lookInterval: 20, agentVersion: '1', now: Date.now });
});
afterEach(async () => {
  kept.close();
  await node.remove();
  rmSync(folder, { recursive: true, force: true });
});

async function newsOf(run: AsyncIterable<RunMeasurementResponse>): Promise<RunMeasurementResponse[]> {
  const news: RunMeasurementResponse[] = [];
  for await (const one of run) news.push(one);
  return news;
}

/** Resolves when the GPU is taken, and its process has had a moment to begin. */
async function untilTaken(): Promise<void> {
  await expect.poll(() => node.free.taken, { timeout: 20_000 }).toBe(1);
  await new Promise((resolve) => setTimeout(resolve, 500));
}

test('what was measured is kept, told of, judged and counted', { timeout }, async () => {
  let told = 0;
  const end = measurements.onNew(() => told++);
  const news = await newsOf(measurements.run(order(), never));
  const [measurement] = news.flatMap((one) => one.measurement ?? []);
  expect(news.map((one) => one.progress?.done)).toEqual([0, 1, undefined]);
  expect(measurement).toMatchObject({ gpu: name, effort: 'quick', label: 'self-reported', agentVersion: '1' });
  expect([measurements.list(name, 0), measurements.list('gpu-b', 0)]).toEqual([[measurement], []]);
  expect(measurements.unsent()).toEqual([measurement]);
  measurements.stored(measurement?.id ?? '');
  expect(measurements.unsent()).toEqual([]);
  expect(told).toBe(1);
  end();
  await newsOf(measurements.run(order(), never));
  expect(told).toBe(1);
  expect(measurements.list(undefined, 1)).toHaveLength(1);
  expect(measurements.list(undefined, 0)[1]).toEqual(measurement);
  expect(reported.at(-1)).toEqual([name, undefined]);
  const text = await registry.metrics();
  expect(text).toContain('gpubroker_measurement_runs_total{outcome="measured"} 2');
  expect(text).toContain(`gpubroker_measurement_figure{gpu="${name}",figure="fp32"}`);
  expect(text).toContain('gpubroker_gpus_computing 0');
});

test('a GPU that is sold while it is measured is given up within milliseconds', { timeout }, async () => {
  const run = newsOf(measurements.run(order({ effort: 'thorough' }), never));
  await untilTaken();
  const begun = performance.now();
  node.use({ leased: true });
  const news = await run;
  const took = performance.now() - begun;
  console.info(`from sold to a process that is gone: ${Math.round(took)} ms`);
  expect(news.at(-1)?.notMeasured).toEqual({ gpu: name, reason: 'held', message: 'it is sold' });
  expect(took).toBeLessThan(1_000);
  expect(node.free.taken).toBe(0);
});

test('who stops it, and who reads no further, ends it', { timeout }, async () => {
  const stop = new AbortController();
  const run = newsOf(measurements.run(order({ effort: 'thorough' }), stop.signal));
  await untilTaken();
  stop.abort();
  expect((await run).some(({ measurement, notMeasured }) => measurement ?? notMeasured)).toBe(false);
  for await (const { progress } of measurements.run(order({ effort: 'thorough' }), never)) if (progress) break;
  expect(node.free.taken).toBe(0);
});

test('what nobody waits for gives way to who measures, and to who proves', { timeout }, async () => {
  const background = measurements.runInBackground(order({ effort: 'thorough' }));
  await untilTaken();
  const news = await newsOf(measurements.run(order(), never));
  expect(news.at(-1)?.measurement?.gpu).toBe(name);
  expect(await background).toBe(0);
  const again = measurements.runInBackground(order({ effort: 'thorough' }));
  await untilTaken();
  await measurements.giveWay();
  expect(node.free.taken).toBe(0);
  expect(await again).toBe(0);
});

test('runs wait for each other, and no more than so many', { timeout }, async () => {
  const stop = new AbortController();
  const first = newsOf(measurements.run(order({ effort: 'thorough' }), stop.signal));
  await untilTaken();
  const waiting = Array.from({ length: 8 }, () => newsOf(measurements.run(order(), stop.signal)));
  await expect(newsOf(measurements.run(order(), never))).rejects.toThrow('8 measurements wait already');
  stop.abort();
  expect((await Promise.all(waiting)).flat()).toEqual([]);
  await first;
  expect(await newsOf(measurements.run(order(), never))).toHaveLength(3);
});

test('a GPU that there is not is refused before anything runs', async () => {
  await expect(newsOf(measurements.run(order({ gpus: ['gpu-x'] }), never))).rejects.toThrow('no GPU is named "gpu-x"');
});
