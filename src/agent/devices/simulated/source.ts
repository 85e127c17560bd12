// The simulated source: devices of a profile with moving readings and faults on demand. Never chosen by a daemon on
// its own; the name of the source says what it is.
import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import { present } from '../absence.ts';
import type { DeviceHealth, DeviceReadings, DeviceRecord } from '../record.ts';
import { type DeviceCheck, DeviceError, type DeviceEvent, type DeviceSource } from '../source.ts';
import type { DeviceCall, DeviceFaults, DeviceKey, DriverCall, EventFault, Faults } from './faults.ts';
import { crash, FaultsFile, hang } from './faults-file.ts';
import { faultyReadings, faultyRecord, readingsSince } from './faulty.ts';
import { PROFILES, type Profile } from './profiles.ts';
import { readingsAt } from './telemetry.ts';

export interface SimulatedSourceOptions {
  /** One of {@link PROFILES}. */
  profile: string;
  /** Where faults are read from; looked at again whenever it changes. */
  faultsFile?: string | undefined;
  /** Part of every device's identity; the host's name when absent. */
  nodeName?: string | undefined;
}

/**
 * Makes the simulated source.
 *
 * @throws DeviceError `failed` for a profile that does not exist
 */
export function createSimulatedSource(options: SimulatedSourceOptions): DeviceSource {
  return new SimulatedSource(options);
}

class SimulatedSource implements DeviceSource {
  readonly name = 'simulated';
  readonly condition = 'SimulatedReady';
  readonly waits = false;
  readonly #profile: Profile;
  readonly #records: DeviceRecord[];
  readonly #faultsFile: FaultsFile;
  #faults: Faults;
  /** Places of the profile that are occupied; a device's index is its position here. */
  #places: number[] = [];

  constructor({ profile, faultsFile, nodeName = hostname() }: SimulatedSourceOptions) {
    this.#profile = profileNamed(profile);
    this.#records = this.#profile.slots.map((_, place) =>
      recordAt(this.#profile, place, `${profile}/${nodeName}/${place}`),
    );
    this.#faultsFile = new FaultsFile(faultsFile, (message) => process.emitWarning(message));
    this.#faults = this.#faultsFile.current();
  }

  open(): void {
    this.#look('open');
  }

  count(): number {
    this.#look('count');
    this.#places = [...this.#records.keys()].filter((place) => !this.#isRemoved(place));
    return this.#places.length;
  }

  check(index: number): DeviceCheck {
    const { record, faults } = this.#answering(index, 'check');
    const health = healthOf(this.#readings(record, faults));
    const parts = this.#instances(record);
    return {
      uuid: record.uuid,
      fingerprint: faults.nvlinksDown?.join() ?? '',
      health,
      ...(parts.length > 0 && { parts: { complete: true, seen: parts.map((part) => this.#checkInstance(part)) } }),
    };
  }

  read(index: number, part?: string): DeviceRecord {
    const { record, faults } = this.#answering(index, 'read');
    if (part !== undefined) return { ...this.#instance(record, part), index };
    const instanceUuids = this.#instances(record).map(({ uuid }) => uuid);
    const { mig } = record;
    return { ...faultyRecord(record, faults), ...(mig && { mig: { ...mig, instanceUuids } }), index };
  }

  sample(index: number, part?: string): DeviceReadings {
    const { record, faults } = this.#answering(index, 'sample');
    return part === undefined ? this.#readings(record, faults) : this.#readInstance(this.#instance(record, part));
  }

  events(): DeviceEvent[] {
    this.#look('events');
    return this.#faultsFile.newEvents().flatMap((event) => this.#event(event));
  }

  close(): void {
    this.#places = [];
  }

  /** Reads the faults again and suffers those of the driver. */
  #look(call: DriverCall): void {
    this.#faults = this.#faultsFile.current();
    const { driver } = this.#faults;
    if (driver.crash === call) crash();
    if (driver.hang === call) hang();
    if (driver.gone) throw new DeviceError('driver-gone', `simulated ${call}: the driver is gone`);
  }

  #instances(record: DeviceRecord): DeviceRecord[] {
    const { mig } = this.#profile;
    return Array.from({ length: mig?.instances ?? 0 }, (_, place) => instanceAt(this.#profile, record, place));
  }

  #instance(record: DeviceRecord, uuid: string): DeviceRecord {
    const found = this.#instances(record).find((instance) => instance.uuid === uuid);
    if (!found) throw new DeviceError('failed', `simulated: no instance ${uuid}`);
    return found;
  }

  #checkInstance(instance: DeviceRecord): DeviceCheck {
    return { uuid: instance.uuid, fingerprint: '', health: healthOf(this.#readInstance(instance)) };
  }

  /** What a driver says of an instance is little. */
  #readInstance({ uuid, memory }: DeviceRecord): DeviceReadings {
    const eccErrors = { volatileCorrected: 0, volatileUncorrected: 0 };
    const faults = this.#faults.devices.get(uuid.toLowerCase()) ?? {};
    const whole = readingsAt(this.#profile, Date.now(), seedOf(uuid));
    const share = (whole.memoryUsedBytes ?? 0) / this.#profile.device.memory.totalBytes;
    const memoryUsedBytes = Math.round(share * (memory?.totalBytes ?? 0));
    return faultyReadings({ timeMs: whole.timeMs, memoryUsedBytes, eccErrors, processes: [] }, faults);
  }

  #readings({ uuid }: DeviceRecord, faults: DeviceFaults): DeviceReadings {
    const seed = seedOf(uuid);
    const now = readingsAt(this.#profile, Date.now(), seed);
    const { resetAtMs } = faults;
    const since = resetAtMs === undefined ? now : readingsSince(readingsAt(this.#profile, resetAtMs, seed), now);
    return faultyReadings(since, faults);
  }

  #isRemoved(place: number): boolean {
    const { removed } = this.#faults;
    return removed.has(place) || removed.has(this.#uuidAt(place));
  }

  /** In lower case. */
  #uuidAt(place: number): string {
    return this.#records[place]?.uuid.toLowerCase() ?? '';
  }

  /** An event for a device that the profile does not have is nobody's. */
  #event({ gpu, xid, kind = 'xid', data = xid ?? 0, gpuInstance, computeInstance }: EventFault): DeviceEvent[] {
    const record = this.#records.find(({ index, uuid }) => isDevice(gpu, index, uuid));
    if (!record) return [];
    const instance = {
      ...(gpuInstance !== undefined && { gpuInstance }),
      ...(computeInstance !== undefined && { computeInstance }),
    };
    return [{ uuid: record.uuid, kind, data, ...instance }];
  }

  /** The record behind an index and its faults, where these let it answer. */
  #answering(index: number, call: DeviceCall): { record: DeviceRecord; faults: DeviceFaults } {
    if (this.#places.length === 0) this.count();
    const place = this.#places[index] ?? -1;
    const record = this.#records[place];
    if (record === undefined) throw new DeviceError('failed', `simulated ${call}: no device ${index}`);
    const { devices } = this.#faults;
    const faults = { ...devices.get(place), ...devices.get(this.#uuidAt(place)) };
    if (faults.crash === true || faults.crash === call) crash();
    if (faults.hang === true || faults.hang === call) hang();
    if (faults.lost) throw new DeviceError('lost', `simulated ${call}: device ${index} is lost`);
    if (faults.resetRequired)
      throw new DeviceError('reset-required', `simulated ${call}: device ${index} needs a reset`);
    if (faults.failed !== undefined) throw new DeviceError('failed', `simulated ${call}: ${faults.failed}`);
    return { record: this.#records[faults.posesAs ?? place] ?? record, faults };
  }
}

function healthOf(readings: DeviceReadings): DeviceHealth {
  const { temperatureCelsius, memoryTemperatureCelsius, throttleReasons, pcieReplays, nvlinkErrors } = readings;
  const { eccErrors, retiredPages, remappedRows, recoveryAction } = readings;
  return present({
    temperatureCelsius,
    memoryTemperatureCelsius,
    throttleReasons,
    pcieReplays,
    nvlinkErrors,
    eccErrors,
    retiredPages,
    remappedRows,
    recoveryAction,
  });
}

function isDevice(key: DeviceKey, place: number, uuid: string): boolean {
  return key === place || key === uuid.toLowerCase();
}

function profileNamed(name: string): Profile {
  const profile = PROFILES.get(name);
  if (profile !== undefined) return profile;
  throw new DeviceError('failed', `no simulated profile "${name}"; there are ${[...PROFILES.keys()].join(', ')}`);
}

function recordAt(profile: Profile, place: number, identity: string): DeviceRecord {
  const slot = profile.slots[place];
  const { nvlink, device } = profile;
  return {
    ...device,
    index: place,
    uuid: uuidOf(identity),
    serial: `51${String(digest(identity).readUIntBE(0, 6) % 1e11).padStart(11, '0')}`,
    ...(slot && { numaNode: slot.numaNode }),
    ...(slot && device.pci && { pci: { ...device.pci, busId: slot.busId } }),
    ...(nvlink && {
      nvlinks: Array.from({ length: nvlink.links }, (_, link) => ({
        link,
        active: true,
        version: nvlink.version,
        remoteBusId: nvlink.switches[link % nvlink.switches.length] ?? '',
      })),
    }),
  };
}

/** An instance of a device; its GPU instances count from 1, as 0 is the whole of it. */
function instanceAt({ mig }: Profile, gpu: DeviceRecord, place: number): DeviceRecord {
  const { memory: _memory, mig: _mig, nvlinks: _links, serial: _serial, clocks: _clocks, ...shared } = gpu;
  const { profile = '', memoryBytes = 0, multiprocessors = 0 } = mig ?? {};
  return {
    ...shared,
    uuid: uuidOf(`${gpu.uuid}/${place}`).replace(/^GPU/, 'MIG'),
    parent: gpu.uuid,
    migInstance: { gpuInstance: place + 1, computeInstance: 0, profile },
    model: `${gpu.model} MIG ${profile}`,
    memory: { totalBytes: memoryBytes },
    multiprocessors,
  };
}

/** From 0 to 1. */
function seedOf(uuid: string): number {
  return digest(uuid).readUInt32BE() / 2 ** 32;
}

/** The same on every start; begins with 51 so that people can tell it at a glance. */
function uuidOf(identity: string): string {
  const hex = `51${digest(identity).toString('hex')}`;
  return `GPU-${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
