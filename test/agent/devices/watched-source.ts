// A supervisor over real probe processes and simulated devices, with a record of everything that it told.
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import type { DeviceHealth, DeviceRecord } from '../../../src/agent/devices/record.ts';
import type { DeviceEvent } from '../../../src/agent/devices/source.ts';
import { createSupervisor, type Supervisor, type SupervisorOptions } from '../../../src/agent/devices/supervisor.ts';
import type { DeviceState, DeviceView, SourceView } from '../../../src/agent/devices/view.ts';

/** One call of the listener. */
export interface Told {
  /** Milliseconds on the monotonic clock. */
  at: number;
  uuid: string;
  state: DeviceState | 'removed';
  message: string;
  record?: DeviceRecord;
  health?: DeviceHealth | undefined;
  sampled: boolean;
  /** When the readings were taken. */
  timeMs?: number | undefined;
}

export interface WatchedSource {
  readonly supervisor: Supervisor;
  readonly told: Told[];
  readonly sources: SourceView[];
  readonly events: { at: number; event: DeviceEvent }[];
  /** Every line of the log. */
  readonly log: { level: string; msg: string; gpu?: string }[];
  /** Puts these faults in force, and takes back all others. */
  setFaults(faults: object): void;
  /** The device that is at this index now. */
  device(index: number): DeviceView;
  states(): DeviceState[];
  source(): SourceView;
}

/** Time to wait for something that should happen much sooner, in milliseconds. */
export const PATIENCE = 8_000;

/** Starts a supervisor with short times; it and its faults end with the test. */
export function watch(options: Partial<SupervisorOptions> & { profile?: string; faults?: object } = {}): WatchedSource {
  const folder = mkdtempSync(join(tmpdir(), 'watched-source-'));
  const faultsFile = join(folder, 'faults.json');
  const told: Told[] = [];
  const sources: SourceView[] = [];
  const events: WatchedSource['events'] = [];
  const log: WatchedSource['log'] = [];
  const { profile = 'l40s-x4', faults, ...rest } = options;

  function setFaults(next: object): void {
    writeFileSync(`${faultsFile}.new`, JSON.stringify(next));
    renameSync(`${faultsFile}.new`, faultsFile);
  }

  if (faults) setFaults(faults);
  const supervisor = createSupervisor({
    source: { name: 'simulated', profile, faultsFile, nodeName: 'node-1' },
    interval: 100,
    deadline: 1_000,
    initDeadline: 5_000,
    telemetryInterval: 300,
    random: () => 0,
    log: pino(
      { level: 'debug', formatters: { level: (level) => ({ level }) } },
      { write: (line) => log.push(JSON.parse(line)) },
    ),
    listener: {
      deviceChanged: ({ uuid, state, message, record, health, readings }) => {
        const sample = { sampled: readings !== undefined, timeMs: readings?.timeMs };
        told.push({ at: performance.now(), uuid, state, message, record, health, ...sample });
      },
      deviceRemoved: (uuid) =>
        told.push({ at: performance.now(), uuid, state: 'removed', message: '', sampled: false }),
      eventReported: (_, event) => events.push({ at: performance.now(), event }),
      sourceChanged: (source) => sources.push({ ...source }),
    },
    ...rest,
  });
  onTestFinished(async () => {
    await supervisor.stop();
    rmSync(folder, { recursive: true });
  });
  supervisor.start();

  const { views } = supervisor;
  return {
    supervisor,
    told,
    sources,
    events,
    log,
    setFaults,
    device(index) {
      const found = views.call(supervisor).devices.find((device) => device.record.index === index);
      if (!found) throw new Error(`no device ${index}`);
      return found;
    },
    states: () => views.call(supervisor).devices.map(({ state }) => state),
    source: () => views.call(supervisor).source,
  };
}

/** Starts as {@link watch}, and waits until every device is known. */
export async function watchRunning(options: Parameters<typeof watch>[0] = {}): Promise<WatchedSource> {
  const watched = watch(options);
  await until(() => watched.source().enumerated);
  return watched;
}

/** Waits for a condition; fails when it does not come true. */
export async function until(condition: () => boolean, patience = PATIENCE): Promise<void> {
  const end = performance.now() + patience;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not within ${patience} ms: ${condition}`);
    await sleep(5);
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** The probe processes that a process has started and that still exist. */
export function probesOf(parent = process.pid): number[] {
  return processesOf('probe.ts', parent);
}

/** The processes of an entry point that a process has started and that still exist. */
export function processesOf(entry: string, parent = process.pid): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => parentOf(pid) === parent && commandOf(pid).includes(entry));
}

/** Whether a process exists and is not just waiting to be reaped. */
export function exists(pid: number): boolean {
  return parentOf(pid) !== undefined;
}

function parentOf(pid: number): number | undefined {
  const [state, parent] = read(`/proc/${pid}/stat`).split(') ').at(-1)?.split(' ') ?? [];
  return state === undefined || state === '' || state === 'Z' ? undefined : Number(parent);
}

function commandOf(pid: number): string {
  return read(`/proc/${pid}/cmdline`);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
