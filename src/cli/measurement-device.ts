// `gpubroker bench devices` and `bench run --device`: devices of this machine, measured without a daemon.
import { type BenchmarkResult, deadlines, type Effort, plans } from '../agent/verification/benchmarks.ts';
import { ComputeError, type ComputeInfo } from '../agent/verification/compute.ts';
import { listDevices, startMeasuring } from '../agent/verification/measuring.ts';
import type { BenchmarkName } from '../score/figures.ts';
import { measurementFailed } from './errors.ts';
import { openProgress } from './measurement-progress.ts';
import { formatFigure, formatFigures, formatSpread } from './measurement-view.ts';
import { formatTable, print, printJson, remark } from './output.ts';
import { formatGib } from './quantities.ts';

export interface DeviceOrder {
  readonly device: number;
  readonly effort: Effort;
  readonly names: readonly BenchmarkName[];
}

/** Shows the devices. @throws CodedError where there is no library for them */
export async function showDevices(json: boolean): Promise<void> {
  const devices = await coded(listDevices());
  if (json) printJson({ devices: devices.map((info, device) => ({ device, ...info })) });
  else if (devices.length === 0) remark('No device can be measured: OpenCL finds none.');
  else print(formatTable([['DEVICE', 'NAME', 'BACKEND', 'MEMORY', 'UNITS', 'DRIVER'], ...devices.map(rowOf)]));
}

/** Measures one device, with a bar for people. @throws CodedError */
export async function runOnDevice({ device, effort, names }: DeviceOrder, json: boolean): Promise<void> {
  const { info, results } = await coded(measure({ device, effort, names }));
  if (json) printJson({ device, info, effort, results });
  else print(formatResults(results));
}

async function measure({ device, effort, names }: DeviceOrder) {
  const progress = openProgress();
  const results: BenchmarkResult[] = [];
  let info: ComputeInfo | undefined;
  try {
    for await (const report of startMeasuring(
      { kind: 'bench', device, plan: plans[effort], names },
      deadlines[effort],
    )) {
      if (report.kind === 'started') info = report.info;
      if (report.kind === 'result') results.push(report.result);
      const { length: done } = results;
      progress.show({ name: info?.name ?? `device ${device}`, done, total: names.length, current: names[done] });
    }
  } finally {
    progress.close();
  }
  return { info, results };
}

function rowOf({ name, backend, memoryBytes, units, driverVersion, isCpu }: ComputeInfo, device: number): string[] {
  const memory = formatGib(BigInt(memoryBytes));
  return [String(device), isCpu ? `${name} (a processor)` : name, backend, memory, String(units), driverVersion];
}

function formatResults(results: readonly BenchmarkResult[]): string {
  const rows = results.flatMap((result) =>
    'why' in result ? [] : [[result.benchmark, formatFigure(result.median, result.unit), ...spreadOf(result.samples)]],
  );
  const unmeasured = results.flatMap((result) => ('why' in result ? [{ ...result, name: result.benchmark }] : []));
  return formatFigures([['BENCHMARK', 'MEDIAN', 'SPREAD', 'SAMPLES'], ...rows], unmeasured);
}

function spreadOf(samples: readonly number[]): string[] {
  return [formatSpread(samples), String(samples.length)];
}

/** @throws CodedError in place of a ComputeError */
export async function coded<Value>(work: Promise<Value>): Promise<Value> {
  try {
    return await work;
  } catch (error) {
    throw error instanceof ComputeError ? measurementFailed(error.message) : error;
  }
}
