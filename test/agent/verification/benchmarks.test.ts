// The benchmarks on an OpenCL device: every figure is there or says why not, and a wrong output is no figure.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect } from 'vitest';
import { type BenchmarkResult, type Plan, runBenchmarks } from '../../../src/agent/verification/benchmarks.ts';
import type { ComputeDevice } from '../../../src/agent/verification/compute.ts';
import { listOpenClDevices } from '../../../src/agent/verification/opencl/device.ts';
import { type BenchmarkName, benchmarkNames } from '../../../src/score/figures.ts';
import { testWith } from '../../capabilities.ts';

const source = readFileSync(new URL('../../../src/agent/verification/kernels/bench.cl', import.meta.url), 'utf8');
const plan: Plan = { samples: 3, sampleMs: 10, checkedShare: 0.001, bufferBytes: 4 * 2 ** 20 };
const test = testWith('opencl');
const devices: ComputeDevice[] = [];

function open(bench: string): ComputeDevice {
  const device = listOpenClDevices()[0]?.open({ bench });
  if (!device) throw new Error('there is no device');
  devices.push(device);
  return device;
}

let results: BenchmarkResult[];
beforeAll(() => {
  results = [...runBenchmarks(open(source), plan)];
}, 120_000);
afterAll(() => {
  for (const device of devices) device.close();
});

test('every figure is there, or says why not', () => {
  expect(results.map(({ benchmark }) => benchmark)).toEqual(benchmarkNames);
  const unmeasured = results.filter((result) => 'why' in result);
  // PoCL has no half precision on this processor, and no processor has tensor cores.
  expect(unmeasured.map(({ benchmark, why }) => [benchmark, why])).toEqual([
    ['fp16', 'unsupported'],
    ['tensor-fp16', 'unsupported'],
  ]);
});

test('a figure is the median of its samples, all above zero but the errors of memory', () => {
  for (const result of results) {
    if ('why' in result) continue;
    const { benchmark, samples, median } = result;
    if (benchmark === 'memory-check') expect(samples).toEqual([0, 0]);
    else {
      expect(samples).toHaveLength(plan.samples);
      expect([...samples].sort((a, b) => a - b)[1]).toBe(median);
      expect(Math.min(...samples)).toBeGreaterThan(0);
    }
  }
});

test.each<[BenchmarkName, string, string]>([
  ['fp32', 'STEP(x) x = mad(x, factor, summand)', 'STEP(x) x = mad(x, factor, summand + 1)'],
  ['int8', 'sum += convert_int4(a)', 'sum += 2 * convert_int4(a)'],
  ['memory-bandwidth', 'to[index] = from[index]', 'to[index] = from[index / 2]'],
  ['memory-latency', 'result[0] = place', 'result[0] = place + 1'],
])('%s: a device that computes wrongly has no figure', { timeout: 120_000 }, (benchmark, right, wrong) => {
  expect(source).toContain(right);
  const results = [...runBenchmarks(open(source.replace(right, wrong)), plan, [benchmark])];
  expect(results).toMatchObject([{ benchmark, why: 'failed' }]);
});

test('a bit that flips in memory is counted', { timeout: 120_000 }, () => {
  const right = 'memory[index] = pattern(pass, index);';
  const flipped = source.replace(right, `memory[index] = pattern(pass, index) ^ (index == 12345u);`);
  expect(flipped).not.toBe(source);
  const results = [...runBenchmarks(open(flipped), plan, ['memory-check'])];
  expect(results).toMatchObject([{ samples: [1, 1] }]);
});
