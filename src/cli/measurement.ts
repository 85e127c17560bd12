// `gpubroker bench` and `gpubroker proof`: measures a device of this machine in a process of its own, and shows what
// came of it.
import { randomBytes } from 'node:crypto';
import { type BenchmarkResult, type Effort, plans } from '../agent/verification/benchmarks.ts';
import { ComputeError, type ComputeInfo } from '../agent/verification/compute.ts';
import { listDevices, startMeasuring } from '../agent/verification/measuring.ts';
import { type Challenge, checkChallenge, limits, type Place } from '../proof/challenge.ts';
import { EpochCheck } from '../proof/epoch-check.ts';
import { drawPlaces } from '../proof/places.ts';
import { type Opening, verify } from '../proof/verify.ts';
import { type BenchmarkName, benchmarkNames } from '../score/figures.ts';
import { measurementFailed, wrongUsage } from './errors.ts';
import { coloured, formatTable, print, printJson, remark } from './output.ts';
import { formatGib } from './quantities.ts';

export interface MeasurementOptions {
  readonly json?: boolean;
}

export interface BenchOptions extends MeasurementOptions {
  readonly device: number;
  readonly effort: Effort;
  readonly only?: readonly string[];
}

export interface SelfTestOptions extends MeasurementOptions {
  readonly device: number;
  readonly size: number;
  readonly rounds: number;
  readonly rows: number;
}

/** Milliseconds: what everything together may take. */
const deadlines = { quick: 120_000, normal: 600_000, thorough: 3_600_000, proof: 600_000 };

/** Shows the devices. @throws CodedError where there is no library for them */
export async function showDevices({ json }: MeasurementOptions): Promise<void> {
  const devices = await coded(listDevices());
  if (json) printJson({ devices: devices.map((info, device) => ({ device, ...info })) });
  else if (devices.length === 0) remark('No device can be measured: OpenCL finds none.');
  else print(formatTable([['DEVICE', 'NAME', 'BACKEND', 'MEMORY', 'UNITS', 'DRIVER'], ...devices.map(rowOf)]));
}

/** Runs benchmarks, with a line of progress for people. @throws CodedError */
export async function runBench({ device, effort, only, json }: BenchOptions): Promise<void> {
  const names = namesOf(only);
  const results: BenchmarkResult[] = [];
  let info: ComputeInfo | undefined;
  const order = { kind: 'bench', device, plan: plans[effort], names } as const;
  await coded(
    (async () => {
      for await (const report of startMeasuring(order, deadlines[effort])) {
        if (report.kind === 'started') info = report.info;
        if (report.kind === 'result') results.push(report.result);
        progress(info?.name ?? `device ${device}`, results.length, names);
      }
    })(),
  );
  if (json) printJson({ device, info, effort, results });
  else print(formatTable([['BENCHMARK', 'MEDIAN', 'SPREAD', 'SAMPLES'], ...results.map(lineOf)]));
}

/** Does the work of a challenge, and judges it. @throws CodedError, also where the proof is refused */
export async function selfTest(options: SelfTestOptions): Promise<void> {
  const { device, size, rounds, rows, json } = options;
  const challenge = newChallenge(size, rounds);
  if (rows < limits.places.least || rows > limits.places.most) {
    throw wrongUsage(`--rows: ${rows} is not allowed; ${limits.places.least} to ${limits.places.most} are`);
  }
  const { root, places, openings, deviceMs } = await coded(prove(challenge, device, rows));
  const prepared = performance.now();
  const check = EpochCheck.make(challenge.epochSeed, size, random);
  const started = performance.now();
  const verdict = verify({ challenge, root, places, openings }, check);
  const verifyMs = performance.now() - started;
  const bytes = openings.reduce((sum, { product, before }) => sum + bytesOf(product) + bytesOf(before), 0);
  const figures = { size, rounds, rows, deviceMs, verifyMs, epochMs: started - prepared, bytes };
  if (json) printJson({ ...figures, ...verdict });
  else {
    print(
      `The device worked for ${deviceMs.toFixed(1)} ms: ${rounds} products of ${size} × ${size}.\n` +
        `The verdict took ${verifyMs.toFixed(1)} ms, for ${rows} rows in ${(bytes / 2 ** 20).toFixed(2)} MiB; ` +
        `what is prepared once an epoch, ${figures.epochMs.toFixed(1)} ms.\n${verdict.accepted ? 'Accepted.' : 'Refused.'}`,
    );
  }
  if (!verdict.accepted) throw measurementFailed(`the proof was refused: ${verdict.message}`);
}

async function prove(challenge: Challenge, device: number, rows: number) {
  const measuring = startMeasuring({ kind: 'prove', device, work: challenge }, deadlines.proof);
  let began = 0;
  let deviceMs = 0;
  let root: Uint8Array = new Uint8Array();
  let places: readonly Place[] = [];
  for await (const report of measuring) {
    if (report.kind === 'ready') {
      began = performance.now();
      measuring.say({ kind: 'begin', start: challenge });
    } else if (report.kind === 'committed') {
      deviceMs = performance.now() - began;
      ({ root } = report);
      // Only now: who knew them before would do their rows alone.
      places = drawPlaces(challenge, rows, random);
      measuring.say({ kind: 'open', places });
    } else if (report.kind === 'opened') measuring.say({ kind: 'rows', first: 0, count: rows });
    else if (report.kind === 'openings') return { root, places, openings: report.openings, deviceMs };
  }
  throw new ComputeError('failed', 'the measuring process ended before it had opened the rows');
}

function newChallenge(size: number, rounds: number): Challenge {
  const seeds = { epochSeed: randomBytes(32), seed: randomBytes(32) };
  const challenge = { id: randomBytes(16).toString('hex'), gpu: 'self-test', ...seeds, size, rounds };
  try {
    checkChallenge(challenge);
  } catch (error) {
    throw wrongUsage(`--${(error as RangeError).message}`);
  }
  return challenge;
}

function namesOf(only: readonly string[] = benchmarkNames): BenchmarkName[] {
  const unknown = only.find((name) => !benchmarkNames.some((known) => known === name));
  if (unknown !== undefined)
    throw wrongUsage(
      `--only: there is no benchmark ${JSON.stringify(unknown)}; there are ${benchmarkNames.join(', ')}`,
    );
  return benchmarkNames.filter((name) => only.includes(name));
}

function progress(name: string, done: number, names: readonly BenchmarkName[]): void {
  if (!process.stderr.isTTY) return;
  const next = names[done];
  process.stderr.write(next ? `\r\u001b[K${name}: ${done} of ${names.length}, ${next} …` : '\r\u001b[K');
}

function rowOf({ name, backend, memoryBytes, units, driverVersion, isCpu }: ComputeInfo, device: number): string[] {
  const memory = formatGib(BigInt(memoryBytes));
  return [String(device), isCpu ? `${name} (a processor)` : name, backend, memory, String(units), driverVersion];
}

function lineOf(result: BenchmarkResult): string[] {
  if ('why' in result) return [result.benchmark, coloured('yellow', result.why), result.message, ''];
  const { benchmark, unit, median, samples } = result;
  const spread = `${figure(Math.min(...samples))}–${figure(Math.max(...samples))}`;
  return [benchmark, `${figure(median)} ${unit}`, spread, String(samples.length)];
}

function figure(value: number): string {
  return Number(value.toPrecision(4)).toString();
}

function bytesOf(opened: Opening['before']): number {
  return opened ? opened.row.byteLength + opened.path.length * 32 : 0;
}

function random(): number {
  return randomBytes(4).readUInt32LE();
}

/** @throws CodedError in place of a ComputeError */
async function coded<Value>(work: Promise<Value>): Promise<Value> {
  try {
    return await work;
  } catch (error) {
    throw error instanceof ComputeError ? measurementFailed(error.message) : error;
  }
}
