// Everything that measurements need, put together; loaded by step.ts.
import type { DaemonContext } from '../../daemon/daemon.ts';
import { newId } from '../../daemon/new-id.ts';
import type { AgentOptions } from '../../daemon/node-options.ts';
import { version } from '../../daemon/version.ts';
import { benchmarkNames } from '../../score/figures.ts';
import type { Measurement } from '../../wire/gpubroker/device/v1/measurement.ts';
import type { DeviceView } from '../devices/view.ts';
import { listDevices, lookUnderDriverRoot, onSurvivor } from '../verification/measuring.ts';
import { ComputeDevices } from './compute-devices.ts';
import { NotFree } from './contract.ts';
import { KeptMeasurements } from './kept-measurements.ts';
import { type MeasurementMetrics, observeMeasurements } from './metrics.ts';
import { NodeGpus } from './node-gpus.ts';
import { NodeMeasurements } from './node-measurements.ts';
import { ReadingsFeed } from './readings.ts';
import { Schedule } from './schedule.ts';
import type { MeasuredNode } from './step.ts';

/** What is there once it is loaded. */
export interface LoadedMeasurements {
  readonly measurements: NodeMeasurements;
  readonly gpus: NodeGpus;
  deviceChanged(view: Readonly<DeviceView>): void;
  /** Begins to measure from time to time. */
  begin(): void;
  /** Kills what runs, and starts nothing more. */
  stop(): void;
}

/** Loads what was measured before, and says what it means for the GPUs. */
export async function loadMeasurements(
  context: DaemonContext<AgentOptions>,
  node: MeasuredNode,
  path: string,
): Promise<LoadedMeasurements> {
  const { options, log, readiness, registry } = context;
  const clock = () => performance.now();
  onSurvivor((pid, device) => {
    log.error({ pid, device }, 'a measuring process survives SIGKILL: the kernel holds it in a driver call');
  });
  lookUnderDriverRoot(options.driverRoot);
  const kept = await KeptMeasurements.open({
    path,
    log,
    onTrouble: (reason) => {
      if (reason === undefined) readiness.ok('measurements');
      else readiness.warn('measurements', `what was measured is kept in memory only: ${reason}`);
    },
  });
  const readings = new ReadingsFeed();
  const compute = new ComputeDevices({ list: () => listDevices(), given: options.computeDevices, clock });
  const intervals = { lookInterval: options.probeInterval, readingInterval: options.telemetryInterval };
  const gpus = new NodeGpus({
    ...node,
    ...intervals,
    compute,
    readings,
    polarity: options.conditionPolarity,
    now: Date.now,
  });
  const metrics: MeasurementMetrics = observeMeasurements(
    registry,
    () => latestOf(kept.all, gpus.names()),
    () => gpus.taken,
  );
  const { lookInterval } = intervals;
  const { report } = node;
  const shared = { gpus, readings, kept, metrics, report, log, lookInterval, agentVersion: version };
  const measurements = new NodeMeasurements({ ...shared, now: Date.now, newId });
  // Before, GPUs may not be there yet.
  void node.looked.then(() => {
    measurements.judgeAll();
    warnOfUnknown(context, gpus);
  });
  const schedule = scheduleOf(context, { measurements, gpus, compute, kept });
  return {
    measurements,
    gpus,
    deviceChanged(view) {
      gpus.deviceChanged(view);
      readings.deviceChanged(view);
    },
    begin: () => schedule?.begin(),
    stop() {
      schedule?.stop();
      gpus.stop();
      kept.close();
    },
  };
}

interface Parts {
  readonly measurements: NodeMeasurements;
  readonly gpus: NodeGpus;
  readonly compute: ComputeDevices;
  readonly kept: KeptMeasurements;
}

function scheduleOf({ options, log }: DaemonContext<AgentOptions>, parts: Parts): Schedule | undefined {
  const { benchmarkInterval: interval, benchmarkEffort: effort } = options;
  if (interval === 0) return undefined;
  const { measurements } = parts;
  return new Schedule({
    interval,
    ages: () => agesOf(parts),
    measure: (gpus) => measurements.runInBackground({ gpus, effort, benchmarks: [] }),
    log,
    random: Math.random,
  });
}

/** How long ago each GPU was measured in full that a compute library shows, in milliseconds. */
async function agesOf({ gpus, compute, kept }: Parts): Promise<ReadonlyMap<string, number>> {
  const whole = kept.all.filter(
    ({ figures, unmeasured }) => figures.length + unmeasured.length >= benchmarkNames.length,
  );
  const latest = new Map(whole.map(({ gpu, endTime }) => [gpu, endTime?.getTime() ?? 0]));
  const ages = new Map<string, number>();
  for (const gpu of gpus.names()) {
    const view = gpus.view(gpu);
    if (!view || view.record.parent !== undefined || view.record.mig?.enabled) continue;
    const age = Date.now() - (latest.get(gpu) ?? -Infinity);
    // A clock that was set back must not put off measuring.
    if (await isShown(compute, view)) ages.set(gpu, age < 0 ? Infinity : age);
  }
  return ages;
}

async function isShown(compute: ComputeDevices, { record }: Readonly<DeviceView>): Promise<boolean> {
  try {
    await compute.of(record);
    return true;
  } catch (error) {
    if (error instanceof NotFree) return false;
    throw error;
  }
}

function* latestOf(kept: readonly Measurement[], names: readonly string[]): Iterable<Measurement> {
  const latest = new Map(kept.map((one) => [one.gpu, one]));
  for (const name of names) {
    const found = latest.get(name);
    if (found) yield found;
  }
}

/** An operator has named a GPU that is not there. */
function warnOfUnknown({ options, readiness }: DaemonContext<AgentOptions>, gpus: NodeGpus): void {
  const names = new Set(gpus.names().map((name) => name.toLowerCase()));
  const unknown = [...options.computeDevices.keys()].filter((name) => !names.has(name));
  if (unknown.length > 0) readiness.warn('compute-devices', `there is no GPU named ${unknown.join(', ')}`);
}
