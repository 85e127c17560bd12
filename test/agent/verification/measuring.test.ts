// The measuring process: it does its order and ends, and it is killed when its time is over or nobody wants it any more.
import { afterEach, expect } from 'vitest';
import { plans } from '../../../src/agent/verification/benchmarks.ts';
import { listDevices, type Measuring, startMeasuring } from '../../../src/agent/verification/measuring.ts';
import type { Report } from '../../../src/agent/verification/orders.ts';
import { testWith } from '../../capabilities.ts';

const test = testWith('opencl');
/** All memory, for hours. */
const long = { samples: 1_000, sampleMs: 60_000, checkedShare: 0.5, bufferBytes: 2 ** 20 };
const started: Measuring[] = [];
afterEach(() => {
  for (const measuring of started.splice(0)) measuring.stop();
});

function measure(...order: Parameters<typeof startMeasuring>): Measuring {
  const measuring = startMeasuring(...order);
  started.push(measuring);
  return measuring;
}

async function reportsOf(measuring: Measuring): Promise<Report[]> {
  const reports: Report[] = [];
  for await (const report of measuring) reports.push(report);
  return reports;
}

test('it lists the devices and ends', { timeout: 60_000 }, async () => {
  const [device] = await listDevices();
  expect(device).toMatchObject({ backend: 'opencl', units: expect.any(Number) });
  expect(device?.memoryBytes).toBeGreaterThan(2 ** 20);
});

test('it measures, a result at a time', { timeout: 60_000 }, async () => {
  const plan = { ...plans.quick, sampleMs: 5 };
  const reports = await reportsOf(measure({ kind: 'bench', device: 0, plan, names: ['fp32'] }, 60_000));
  expect(reports.map(({ kind }) => kind)).toEqual(['started', 'result']);
});

test('a device that is not there is said so', { timeout: 60_000 }, async () => {
  const measuring = measure({ kind: 'bench', device: 99, plan: plans.quick, names: [] }, 60_000);
  await expect(reportsOf(measuring)).rejects.toThrow('there is no device 99');
});

test('at its deadline it is killed, in the middle of a call', { timeout: 60_000 }, async () => {
  const measuring = measure({ kind: 'bench', device: 0, plan: long, names: ['fp32'] }, 5_000);
  await expect(reportsOf(measuring)).rejects.toThrow('bench did not end within 5 s');
});

test('who has enough stops it, and hears that', { timeout: 60_000 }, async () => {
  const measuring = measure({ kind: 'bench', device: 0, plan: long, names: ['fp32'] }, 60_000);
  const reports = reportsOf(measuring);
  setTimeout(() => measuring.stop(), 1_000);
  await expect(reports).rejects.toThrow('the measurement was stopped');
});
