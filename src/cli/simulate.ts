// `gpubroker simulate`: gives faults to simulated GPUs, takes them back and shows them, in the file that their source
// follows. The daemon says which file that is; one without simulated GPUs has none.
import { closeSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { present, presentOrNone } from '../agent/devices/absence.ts';
import { recoveryActions } from '../agent/devices/record.ts';
import {
  type DeviceFaults,
  type DeviceKey,
  type EventFault,
  type Faults,
  formatFaults,
  NO_FAULTS,
  parseFaults,
} from '../agent/devices/simulated/faults.ts';
import { messageOf } from '../daemon/errors.ts';
import { faultsFileUnusable, gpuNotFound, notSimulated, wrongUsage } from './errors.ts';
import type { NodeClient } from './node-client.ts';
import type { NodeOptions } from './node-command.ts';
import { formatTable, print, printJson, remark } from './output.ts';

/** The faults that the flags of `simulate fault` name. */
export interface GivenFaults extends Pick<DeviceFaults, 'lost' | 'resetRequired' | 'failed' | 'recoveryAction'> {
  readonly hang?: true;
  readonly removed?: true;
  readonly xid?: number;
  readonly gpuInstance?: number;
  readonly computeInstance?: number;
  readonly eccCorrected?: number;
  readonly eccUncorrected?: number;
  readonly remappedRows?: number;
  readonly remapPending?: boolean;
  readonly remapFailed?: boolean;
  readonly retiredPages?: number;
  readonly retiredPending?: boolean;
  readonly temperature?: number;
  readonly memoryTemperature?: number;
  readonly throttle?: NonNullable<DeviceFaults['throttleReasons']>;
  readonly nvlinkDown?: number[];
  readonly nvlinkErrors?: number;
  readonly pcieReplays?: number;
}

type Flags = Pick<NodeOptions, 'address' | 'json'>;

/** Events that the file keeps; the source has reported the older ones long ago. */
const keptEvents = 64;
/** How long to wait for another command that writes the file, in milliseconds. */
const patience = 2_000;

/** Gives a GPU faults, beside those that it has. @throws CodedError */
export async function addFaults(client: NodeClient, flags: Flags, gpu: string, given: GivenFaults): Promise<void> {
  checkGiven(given);
  const file = await faultsFileOf(client, flags);
  const uuid = await findGpu(client, gpu);
  const time = new Date().toISOString();
  const faults = await change(file, (before) => withFaults(before, uuid, given, time));
  const mine = faults.devices.get(uuid) ?? {};
  if (flags.json) printJson({ gpu: uuid, faults: mine, removed: faults.removed.has(uuid) });
  else print(`${uuid}: ${describe(faults, uuid) || `XID ${given.xid}`}`);
}

/** Takes back the faults of a GPU, or of all, as a reset would. @throws CodedError */
export async function clearFaults(client: NodeClient, flags: Flags, gpu: string | undefined): Promise<void> {
  const file = await faultsFileOf(client, flags);
  const uuid = gpu === undefined ? undefined : await findGpu(client, gpu);
  const faults = await change(file, (before) =>
    reset(before, uuid === undefined ? touched(before) : [uuid], Date.now()),
  );
  if (flags.json) printJson(JSON.parse(formatFaults(faults)));
  else print(uuid === undefined ? 'no GPU has faults any more' : `${uuid}: no faults`);
}

/** Shows the faults in force. @throws CodedError */
export async function listFaults(client: NodeClient, flags: Flags): Promise<void> {
  const file = await faultsFileOf(client, flags);
  const faults = read(file);
  if (flags.json) {
    printJson({ file, faults: JSON.parse(formatFaults(faults)) });
    return;
  }
  const sick = [...new Set([...faults.devices.keys(), ...faults.removed])].filter(
    (key) => describe(faults, key) !== '',
  );
  if (sick.length === 0) remark('No simulated GPU has a fault.');
  else print(formatTable([['GPU', 'FAULTS'], ...sick.map((key) => [String(key), describe(faults, key)])]));
}

function checkGiven({ gpuInstance, computeInstance, ...faults }: GivenFaults): void {
  if (Object.keys(faults).length === 0) throw wrongUsage('name at least one fault');
  if (faults.xid !== undefined) return;
  if (gpuInstance !== undefined) throw wrongUsage('--gpu-instance only goes with --xid');
  if (computeInstance !== undefined) throw wrongUsage('--compute-instance only goes with --xid');
}

/** All devices of which anything is said. */
function touched({ devices, removed, events }: Faults): DeviceKey[] {
  return [...devices.keys(), ...removed, ...events.map(({ gpu }) => gpu)];
}

/** Events have happened: they stay, or one that is not reported yet would never be. */
function reset(faults: Faults, keys: readonly DeviceKey[], resetAtMs: number): Faults {
  return {
    ...faults,
    devices: new Map<DeviceKey, DeviceFaults>([...faults.devices, ...keys.map((key) => [key, { resetAtMs }] as const)]),
    removed: new Set([...faults.removed].filter((key) => !keys.includes(key))),
    driver: {},
  };
}

async function faultsFileOf(client: NodeClient, { address }: Flags): Promise<string> {
  if (address !== undefined) throw wrongUsage('--address: faults stand in a file on the node; use the socket there');
  const { sources, daemon, nodeName } = await client.getStatus();
  const file = sources.find(({ name }) => name === 'simulated')?.faultsFile;
  if (file === undefined) throw notSimulated(daemon, nodeName);
  return file;
}

/** The uuid in lower case, by index, uuid or its beginning; one that was removed is known by its whole uuid alone. */
async function findGpu(client: NodeClient, gpu: string): Promise<string> {
  const devices = (await client.listDevices()).filter(({ source }) => source === 'simulated');
  const uuids = devices.map(({ uuid, name }) => (uuid ?? name).toLowerCase());
  const wanted = gpu.toLowerCase();
  const byIndex = devices.findIndex(({ index, parent }) => parent === undefined && String(index) === wanted);
  const whole = uuids.find((uuid) => uuid === wanted) ?? uuids[byIndex];
  if (whole !== undefined) return whole;
  const beginning = uuids.filter(
    (uuid) => uuid.startsWith(wanted) || uuid.replace(/^(?:gpu|mig)-/, '').startsWith(wanted),
  );
  if (beginning.length > 1) throw wrongUsage(`--gpu: ${gpu} is how ${beginning.length} UUIDs begin`);
  if (beginning[0] !== undefined) return beginning[0];
  if (/^(?:gpu|mig)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(wanted)) return wanted;
  throw gpuNotFound(gpu);
}

/** Counts are added to those that stand there. */
function withFaults(faults: Faults, uuid: string, given: GivenFaults, time: string): Faults {
  const before = faults.devices.get(uuid) ?? {};
  const changed = present({
    ...before,
    ...present({
      lost: given.lost,
      resetRequired: given.resetRequired,
      failed: given.failed,
      hang: given.hang,
      temperatureCelsius: given.temperature,
      memoryTemperatureCelsius: given.memoryTemperature,
      throttleReasons: given.throttle,
      nvlinksDown: given.nvlinkDown,
      recoveryAction: given.recoveryAction,
    }),
    pcieReplays: sum(before.pcieReplays, given.pcieReplays),
    ecc: presentOrNone({
      corrected: sum(before.ecc?.corrected, given.eccCorrected),
      uncorrected: sum(before.ecc?.uncorrected, given.eccUncorrected),
    }),
    remappedRows: presentOrNone({
      ...before.remappedRows,
      uncorrectable: sum(before.remappedRows?.uncorrectable, given.remappedRows),
      ...present({ pending: given.remapPending, failed: given.remapFailed }),
    }),
    retiredPages: presentOrNone({
      ...before.retiredPages,
      doubleBit: sum(before.retiredPages?.doubleBit, given.retiredPages),
      ...present({ pending: given.retiredPending }),
    }),
    nvlinkErrors: presentOrNone({ ...before.nvlinkErrors, crc: sum(before.nvlinkErrors?.crc, given.nvlinkErrors) }),
  });
  const events = eventsOf(uuid, given, time);
  return {
    ...faults,
    devices: Object.keys(changed).length > 0 ? new Map(faults.devices).set(uuid, changed) : faults.devices,
    removed: given.removed ? new Set(faults.removed).add(uuid) : faults.removed,
    events: [...faults.events, ...events].slice(-keptEvents),
  };
}

/** What a driver reports by itself when such a thing happens. */
function eventsOf(gpu: string, given: GivenFaults, time: string): EventFault[] {
  const { xid, gpuInstance, computeInstance, eccCorrected, eccUncorrected, recoveryAction } = given;
  const events: EventFault[] = [];
  if (xid !== undefined) events.push({ gpu, xid, ...present({ gpuInstance, computeInstance }), time });
  if (eccCorrected) events.push({ gpu, kind: 'single-bit-ecc', time });
  if (eccUncorrected) events.push({ gpu, kind: 'double-bit-ecc', time });
  if (recoveryAction !== undefined) {
    events.push({ gpu, kind: 'recovery-action', data: recoveryActions.indexOf(recoveryAction), time });
  }
  return events;
}

function describe(faults: Faults, key: DeviceKey): string {
  const { resetAtMs: _, ...device } = faults.devices.get(key) ?? {};
  const named = words(device);
  return [...(faults.removed.has(key) ? ['removed'] : []), ...named].join(', ');
}

/** For instance `lost`, `ecc uncorrected 2`, `throttleReasons power-cap`. */
function words(of: object, prefix = ''): string[] {
  return Object.entries(of).flatMap(([name, value]) => {
    if (value === false) return [];
    if (value === true) return [`${prefix}${name}`];
    if (Array.isArray(value)) return [`${prefix}${name} ${value.join(' ')}`];
    return typeof value === 'object' ? words(value, `${name} `) : [`${prefix}${name} ${value}`];
  });
}

function read(file: string): Faults {
  try {
    return parseFaults(readFileSync(file, 'utf8'));
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return NO_FAULTS;
    throw faultsFileUnusable(file, messageOf(error));
  }
}

/** Replaces the file whole. The new one is where commands wait for each other: who can make it, may change the file. */
async function change(file: string, by: (before: Faults) => Faults): Promise<Faults> {
  const next = `${file}.new`;
  await take(next);
  try {
    const after = by(read(file));
    writeFileSync(next, formatFaults(after));
    renameSync(next, file);
    return after;
  } catch (error) {
    rmSync(next, { force: true });
    throw codeOf(error) !== undefined ? faultsFileUnusable(file, messageOf(error)) : error;
  }
}

async function take(next: string): Promise<void> {
  for (const end = performance.now() + patience; ; await sleep(20)) {
    try {
      closeSync(openSync(next, 'wx', 0o644));
      return;
    } catch (error) {
      if (codeOf(error) === 'EEXIST' && performance.now() < end) continue;
      throw faultsFileUnusable(next, messageOf(error));
    }
  }
}

/** Of a failed call to the system: such as `ENOENT`; undefined of any other error. */
function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'syscall' in error ? (error as NodeJS.ErrnoException).code : undefined;
}

function sum(before: number | undefined, more: number | undefined): number | undefined {
  return more === undefined ? before : (before ?? 0) + more;
}
