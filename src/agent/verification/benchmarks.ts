// The benchmarks: what a device computes and moves in a second, measured over several repeats, with outputs that are
// checked. A figure whose output is wrong is no figure.
import { type BenchmarkName, benchmarkNames, medianOf, type Unit } from '../../score/figures.ts';
import { type ComputeDevice, ComputeError, type DeviceMemory, type Grid } from './compute.ts';

/** The kernels in each of the languages that devices take. */
export const benchProgram = 'bench';

export type Effort = 'quick' | 'normal' | 'thorough';

/** How much is done for a figure. */
export interface Plan {
  /** How often it is taken. */
  readonly samples: number;
  /** For how long each time at least, in milliseconds. */
  readonly sampleMs: number;
  /** Of the device's memory, what is filled and checked: the driver, and whoever else is there, keep the rest. */
  readonly checkedShare: number;
  /** Of the buffers that are copied and read, at most: many times the device's caches. */
  readonly bufferBytes: number;
}

/** Larger than the caches of every device. */
const bufferBytes = 512 * 2 ** 20;

export const plans: Readonly<Record<Effort, Plan>> = {
  quick: { samples: 3, sampleMs: 100, checkedShare: 0.9, bufferBytes },
  normal: { samples: 5, sampleMs: 500, checkedShare: 0.9, bufferBytes },
  thorough: { samples: 11, sampleMs: 2_000, checkedShare: 0.9, bufferBytes },
};

/** What all benchmarks of a device may take together, in milliseconds. */
export const deadlines: Readonly<Record<Effort, number>> = { quick: 120_000, normal: 600_000, thorough: 3_600_000 };

/** A figure with all that it was taken from. */
export interface Figure {
  readonly benchmark: BenchmarkName;
  readonly unit: Unit;
  readonly median: number;
  readonly samples: readonly number[];
}

/** What cannot be measured on a device, and why. */
export interface Unmeasured {
  readonly benchmark: BenchmarkName;
  /** `unsupported`: the device does not have it; `failed`: it has, and something went wrong. */
  readonly why: 'unsupported' | 'failed';
  readonly message: string;
}

export type BenchmarkResult = Figure | Unmeasured;

/** Where a benchmark finds what it needs. */
interface Bench extends Plan {
  readonly device: ComputeDevice;
  /** Milliseconds, monotonic. */
  readonly clock: () => number;
}

type Measure = (bench: Bench) => Omit<Figure, 'benchmark' | 'median'>;

/** Of a work item in an iteration: eight chains of four lanes, a product and a sum each. */
const laneOperations = 8 * 4 * 2;
/** Eight products of 16 by 16 and 16 by 8 matrices, by 32 threads together. */
const tensorOperations = (8 * (2 * 16 * 16 * 8)) / 32;
const groupSize = 256;
/** Groups for each compute unit: enough to fill it. */
const groupsPerUnit = 16;
/** Of a processor's memory, which is the host's and holds everything else too, what is filled and checked at most. */
const checkedOfHost = 2 ** 30;
const chaseSteps = 100_000;
/** Of the chain of pointers: no cache fetches less. */
const lineWords = 32;
const lineBytes = lineWords * 4;
/** Of the host's memory that is held at a time: agents run in containers with little. */
const hostBytes = 64 * 2 ** 20;

const measures: Readonly<Record<BenchmarkName, Measure>> = {
  fp32: (bench) => arithmetic(bench, 'bench_fp32', [bitsOf(0.5), bitsOf(1)], 'TFLOP/s', settled),
  fp16: (bench) => arithmetic(bench, 'bench_fp16', [bitsOf(0.5), bitsOf(1)], 'TFLOP/s', settled),
  int8: (bench) => arithmetic(bench, 'bench_int8', [0x01010101, 0x01010101], 'TOP/s', counted),
  // 16 products of ½ · ⅛ add 1 to every element.
  'tensor-fp16': (bench) =>
    arithmetic(bench, 'bench_tensor_fp16', [bitsOf(0.5), bitsOf(0.125)], 'TFLOP/s', stepped, tensorOperations),
  'memory-bandwidth': copyOnDevice,
  'memory-latency': chase,
  'memory-check': checkMemory,
  'host-to-device': (bench) => transfer(bench, 'to'),
  'device-to-host': (bench) => transfer(bench, 'from'),
};

/**
 * Runs benchmarks, all of them by default, and yields each result when it is there. What one of them cannot do stops no other.
 *
 * @param clock milliseconds, monotonic
 */
export function* runBenchmarks(
  device: ComputeDevice,
  plan: Plan,
  names: readonly BenchmarkName[] = benchmarkNames,
  clock: () => number = () => performance.now(),
): Generator<BenchmarkResult> {
  const bench = { device, ...plan, clock };
  for (const name of names) yield resultOf(name, () => measures[name](bench));
}

function resultOf(benchmark: BenchmarkName, measure: () => Omit<Figure, 'benchmark' | 'median'>): BenchmarkResult {
  try {
    const { unit, samples } = measure();
    return { benchmark, unit, samples, median: medianOf(samples) };
  } catch (error) {
    if (!(error instanceof ComputeError)) throw error;
    const why = error.fault === 'unsupported' ? 'unsupported' : 'failed';
    return { benchmark, why, message: error.message };
  }
}

/** Iterations are found that take as long as a sample should; then the work of all items over the time is the figure. */
function arithmetic(
  bench: Bench,
  kernel: string,
  factors: readonly [number, number],
  unit: Figure['unit'],
  check: (results: Buffer, iterations: number) => boolean,
  operations = laneOperations,
): Omit<Figure, 'benchmark' | 'median'> {
  const { device } = bench;
  const grid = gridOf(device);
  const items = grid.groups * grid.groupSize;
  const results = device.allocate(items * 4);
  try {
    const run = (iterations: number) => device.launch(benchProgram, kernel, grid, [iterations, ...factors, results]);
    const { iterations, samples } = repeated(bench, 64, run);
    const written = Buffer.alloc(results.bytes);
    device.download(results, written);
    if (!check(written, iterations)) throw new ComputeError('failed', `${kernel} came to a wrong result`);
    return { unit, samples: samples.map((ms) => (items * iterations * operations) / ms / 1e9) };
  } finally {
    results.free();
  }
}

/** x = x · ½ + 1 comes to 2; 32 of them are added up. */
function settled(results: Buffer): boolean {
  for (let at = 0; at < results.length; at += 4) if (Math.abs(results.readFloatLE(at) - 64) > 0.5) return false;
  return true;
}

/** Every element has grown by 1 in each iteration; single precision counts to 2²⁴. */
function stepped(results: Buffer, iterations: number): boolean {
  const expected = Math.min(iterations, 2 ** 24);
  for (let at = 0; at < results.length; at += 4) if (results.readFloatLE(at) !== expected) return false;
  return true;
}

/** The kernel's own sum, computed once more: every work item comes to the same. */
function counted(results: Buffer, iterations: number): boolean {
  let sum = 0;
  let a = 1;
  for (let step = 0; step < iterations; step++) {
    for (let chain = 0; chain < 8; chain++) {
      sum = (sum + 4 * a) | 0;
      a ^= step & 1;
    }
  }
  for (let at = 0; at < results.length; at += 4) if (results.readInt32LE(at) !== sum) return false;
  return true;
}

function copyOnDevice(bench: Bench): Omit<Figure, 'benchmark' | 'median'> {
  const { device } = bench;
  const bytes = roomFor(bench, 2);
  const grid = gridOver(device, bytes / 16);
  return withMemory(device, [bytes, bytes], ([from, to]) => {
    fill(device, from, 1);
    const copy = () => device.launch(benchProgram, 'bench_copy', grid, [bytes / 16, itemsOf(grid), from, to]);
    const { iterations, samples } = repeated(bench, 1, (count) => times(count, copy));
    if (errorsIn(device, to, 1) > 0) throw new ComputeError('failed', 'bench_copy came to a wrong result');
    // Read once and written once.
    return { unit: 'GB/s', samples: samples.map((ms) => (2 * bytes * iterations) / ms / 1e6) };
  });
}

/** Through memory much larger than the caches, in one cycle that visits every line. */
function chase(bench: Bench): Omit<Figure, 'benchmark' | 'median'> {
  const { device } = bench;
  const bytes = roomFor(bench, 1);
  const cycle = cycleOf(Math.floor(bytes / lineBytes));
  return withMemory(device, [bytes, 4], ([next, result]) => {
    writeCycle(device, cycle, next);
    const grid = { groups: 1, groupSize: 1 };
    const follow = () => device.launch(benchProgram, 'bench_chase', grid, [chaseSteps, next, result]);
    const { iterations, samples } = repeated(bench, 1, (count) => times(count, follow));
    const written = Buffer.alloc(4);
    device.download(result, written);
    if (written.readUInt32LE() !== endOf(cycle)) throw new ComputeError('failed', 'bench_chase came to a wrong result');
    return { unit: 'ns', samples: samples.map((ms) => (ms * 1e6) / (iterations * chaseSteps)) };
  });
}

/** Fills nearly all of a GPU's memory with a pattern and reads it back, twice with other patterns; counts what differs. */
function checkMemory({ device, checkedShare }: Bench): Omit<Figure, 'benchmark' | 'median'> {
  const pieces: DeviceMemory[] = [];
  try {
    const share = Math.floor(device.info.memoryBytes * checkedShare);
    const all = device.info.isCpu ? Math.min(share, checkedOfHost) : share;
    const largest = Math.min(device.info.maxAllocationBytes, 2 ** 31);
    for (let left = all; left >= 2 ** 20; left -= largest)
      pieces.push(device.allocate(aligned(Math.min(left, largest))));
    const pass = (number: number) => {
      for (const [index, piece] of pieces.entries()) fill(device, piece, seedOf(number, index));
      return pieces.reduce((sum, piece, index) => sum + errorsIn(device, piece, seedOf(number, index)), 0);
    };
    return { unit: 'errors', samples: [pass(1), pass(2)] };
  } finally {
    for (const piece of pieces) piece.free();
  }
}

function transfer(bench: Bench, direction: 'to' | 'from'): Omit<Figure, 'benchmark' | 'median'> {
  const { device } = bench;
  const bytes = Math.min(roomFor(bench, 1), hostBytes);
  const words = new Uint32Array(bytes / 4);
  for (let index = 0; index < words.length; index++) words[index] = Math.imul(index, 0x9e3779b1);
  const host = Buffer.from(words.buffer);
  return withMemory(device, [bytes], ([memory]) => {
    device.upload(host, memory);
    const back = Buffer.alloc(bytes);
    const move = () => (direction === 'to' ? device.upload(host, memory) : device.download(memory, back));
    const { iterations, samples } = repeated(bench, 1, (count) => times(count, move));
    device.download(memory, back);
    if (!back.equals(host)) throw new ComputeError('failed', 'what was copied to the device and back is not the same');
    return { unit: 'GB/s', samples: samples.map((ms) => (bytes * iterations) / ms / 1e6) };
  });
}

/** Finds how many iterations take a sample's time, and takes the samples. The first run, which compiles, counts for nothing. */
function repeated(
  { device, clock, samples, sampleMs }: Bench,
  first: number,
  run: (iterations: number) => void,
): { iterations: number; samples: number[] } {
  const timed = (iterations: number) => {
    const started = clock();
    run(iterations);
    device.finish();
    return clock() - started;
  };
  timed(first);
  let iterations = first;
  for (let took = timed(iterations); took < sampleMs && iterations < 2 ** 30; took = timed(iterations)) {
    iterations *= Math.max(2, Math.min(16, Math.floor(sampleMs / Math.max(took, 0.01))));
  }
  return { iterations, samples: Array.from({ length: samples }, () => timed(iterations)) };
}

function withMemory<Sizes extends readonly number[], Result>(
  device: ComputeDevice,
  sizes: readonly [...Sizes],
  use: (memory: { [Index in keyof Sizes]: DeviceMemory }) => Result,
): Result {
  const memory: DeviceMemory[] = [];
  try {
    for (const bytes of sizes) memory.push(device.allocate(bytes));
    return use(memory as { [Index in keyof Sizes]: DeviceMemory });
  } finally {
    for (const piece of memory) piece.free();
  }
}

function fill(device: ComputeDevice, memory: DeviceMemory, seed: number): void {
  const grid = gridOver(device, memory.bytes / 4);
  device.launch(benchProgram, 'bench_fill', grid, [memory.bytes / 4, itemsOf(grid), seed, memory]);
}

function errorsIn(device: ComputeDevice, memory: DeviceMemory, seed: number): number {
  return withMemory(device, [4], ([errors]) => {
    device.upload(Buffer.alloc(4), errors);
    const grid = gridOver(device, memory.bytes / 4);
    device.launch(benchProgram, 'bench_check', grid, [memory.bytes / 4, itemsOf(grid), seed, memory, errors]);
    const counted = Buffer.alloc(4);
    device.download(errors, counted);
    return counted.readUInt32LE();
  });
}

/** A permutation of one cycle (Sattolo): which line comes after each. */
function cycleOf(lines: number): Uint32Array {
  const next = Uint32Array.from({ length: lines }, (_, line) => line);
  // Any fixed sequence does: the chain is to be unforeseeable for a cache, not for people.
  let state = 1;
  for (let line = next.length - 1; line > 0; line--) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    const other = state % line;
    const kept = next[line] as number;
    next[line] = next[other] as number;
    next[other] = kept;
  }
  return next;
}

/** The first word of each line is where the next one begins, in words; a part at a time. */
function writeCycle(device: ComputeDevice, cycle: Uint32Array, memory: DeviceMemory): void {
  const part = new Uint32Array(hostBytes / 4);
  const linesOfPart = hostBytes / lineBytes;
  for (let first = 0; first < cycle.length; first += linesOfPart) {
    const lines = cycle.subarray(first, first + linesOfPart);
    for (const [index, line] of lines.entries()) part[index * lineWords] = line * lineWords;
    device.upload(new Uint8Array(part.buffer, 0, lines.length * lineBytes), memory, first * lineBytes);
  }
}

function endOf(cycle: Uint32Array): number {
  let line = 0;
  for (let step = 0; step < chaseSteps; step++) line = cycle[line] as number;
  return line * lineWords;
}

function gridOf({ info }: ComputeDevice): Grid {
  return { groups: info.units * groupsPerUnit, groupSize: Math.min(groupSize, info.maxGroupSize) };
}

/**
 * The grid for kernels that go over memory. A GPU's work items take turns, so that neighbours read neighbouring places at
 * the same moment. A processor does one item after the other: there each has one place, or it would leap through memory.
 */
function gridOver(device: ComputeDevice, places: number): Grid {
  const grid = gridOf(device);
  return device.info.isCpu ? { ...grid, groups: Math.ceil(places / grid.groupSize) } : grid;
}

function itemsOf({ groups, groupSize }: Grid): number {
  return groups * groupSize;
}

/** As much as wanted, or what so many pieces may take of a small device. */
function roomFor({ device: { info }, bufferBytes }: Bench, pieces: number): number {
  return aligned(Math.min(bufferBytes, info.maxAllocationBytes, info.memoryBytes / (2 * pieces)));
}

function aligned(bytes: number): number {
  return Math.floor(bytes / 4_096) * 4_096;
}

function seedOf(pass: number, piece: number): number {
  return pass * 4_096 + piece;
}

function bitsOf(value: number): number {
  return new Uint32Array(Float32Array.of(value).buffer)[0] as number;
}

function times(count: number, call: () => void): void {
  for (let done = 0; done < count; done++) call();
}
