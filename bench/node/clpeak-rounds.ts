// Rounds of our fp32 and memory-bandwidth and of clpeak's, by turns on the same OpenCL device.
//
// clpeak's kernel of single precision is one chain of products and sums a work item, each waiting for the one before; ours
// has eight, which hide that wait. So ours is run in the same shape: its eight steps on one chain of four lanes, beside
// clpeak's `float4`. As it is, it is run too, beside the widest of clpeak's, for what that is worth. clpeak's bandwidth is
// that of reading alone, ours that of a copy, which counts what is read and what is written.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { benchProgram, type Plan, runBenchmarks } from '../../src/agent/verification/benchmarks.ts';
import { listOpenClDevices, type OpenClListing } from '../../src/agent/verification/opencl/device.ts';
import type { BenchmarkName } from '../../src/score/figures.ts';

/** The tests of clpeak that are of use, as its options name them. */
export const peerTests = ['compute-sp', 'global-bandwidth'] as const;
export type PeerTest = (typeof peerTests)[number];

interface Comparison {
  readonly test: PeerTest;
  readonly name: string;
  readonly unit: string;
  /** The line of clpeak's that ours is beside. */
  readonly line: string;
  readonly figure: BenchmarkName;
  /** From our unit to clpeak's. */
  readonly scale: number;
  readonly source: string;
}

const source = readFileSync(new URL('../../src/agent/verification/kernels/bench.cl', import.meta.url), 'utf8');
const fp32 = { test: 'compute-sp', unit: 'GFLOP/s', figure: 'fp32', scale: 1000 } as const;
const comparisons: readonly Comparison[] = [
  { ...fp32, name: 'fp32, one chain', line: 'float4', source: oneChain(source) },
  { ...fp32, name: 'fp32 as it is', line: 'float16', source },
  {
    test: 'global-bandwidth',
    name: 'memory-bandwidth',
    unit: 'GB/s',
    line: 'float4',
    figure: 'memory-bandwidth',
    scale: 1,
    source,
  },
];

/** One figure of one round, in the comparison's unit. */
export interface Round extends Comparison {
  readonly ours: number;
  readonly theirs: number;
}

const plan: Plan = { samples: 3, sampleMs: 300, checkedShare: 0, bufferBytes: 512 * 2 ** 20 };
const peerDeadline = 240_000;

/**
 * Takes a round on the first device: ours, clpeak's, and ours again, which count by their mean.
 *
 * @param only of the comparisons, by its name; all where it is undefined
 */
export async function takeRound(test: PeerTest, only?: string): Promise<Round[]> {
  const [device] = listOpenClDevices();
  if (!device) throw new Error('there is no OpenCL device');
  const compared = comparisons.filter(({ test: of, name }) => of === test && name === (only ?? name));
  const before = compared.map((comparison) => measure(comparison, device));
  const theirs = await peerFigures(test, device.info.name);
  const after = compared.map((comparison) => measure(comparison, device));
  return compared.map((comparison, index) => ({
    ...comparison,
    ours: ((before[index] as number) + (after[index] as number)) / 2,
    theirs: theirs(comparison.line),
  }));
}

function measure({ figure, scale, source }: Comparison, listing: OpenClListing): number {
  const device = listing.open({ [benchProgram]: source });
  try {
    const [result] = runBenchmarks(device, plan, [figure]);
    if (!result || 'why' in result) throw new Error(`${figure}: ${result?.message}`);
    return result.median * scale;
  } finally {
    device.close();
  }
}

/** What clpeak says of a device, by line. */
async function peerFigures(test: PeerTest, device: string): Promise<(line: string) => number> {
  const { stdout } = await promisify(execFile)('clpeak', [`--${test}`], { timeout: peerDeadline });
  const [, found = ''] = stdout.split(`Device: ${device}\n`);
  return (line) => {
    const figure = new RegExp(`^ *${line} *: ([0-9.]+)$`, 'm').exec(found)?.[1];
    if (figure === undefined) throw new Error(`clpeak --${test} says nothing of ${device}:\n${stdout}`);
    return Number(figure);
  };
}

/** The kernel with its eight steps one after the other on the first chain: as much work, and as much in the end. */
function oneChain(text: string): string {
  const steps = text.replace(/STEP\(c[0-7]\)/g, 'STEP(c0)');
  const sum = steps.replace('float4 sum = c0 + c1 + c2 + c3 + c4 + c5 + c6 + c7;', 'float4 sum = 8 * c0;');
  if (steps === text || sum === steps) throw new Error('bench.cl has changed: its chains are not found');
  return sum;
}
