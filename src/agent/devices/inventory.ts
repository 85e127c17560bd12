// What is known of a source's devices: who is at which index, in which state, and when it last answered. It turns the
// answers of a sweep into changes for the listener, each told once; when to sweep, and what a hang or crash means, is
// the supervisor's.
//
// A device is its uuid; its index may change with every sweep. In one sweep every device is accounted for in one way:
//
//   answered    its index gave its uuid                        → ok
//   faulted     its index gave an error                        → lost, reset-required or failed
//   suspected   its index is not touched                       → hung
//   absent      none of these, and every index gave a uuid     → missing; removed the third time in a row
//               none of these, but some index did not answer   → failed: it may be behind that index
//
// A part of a device (a MIG instance) has its own uuid, and the index of the device. It is accounted for with it: what
// befalls the device befalls its parts. Where the device answered, the part answered if the device lists it, else it is
// absent, and the list may be incomplete as well; it is removed at once if the driver said that the parts changed.
import { isDeepStrictEqual } from 'node:util';
import type { Log } from '../../daemon/logger.ts';
import { MAX_DEVICES, type Target } from './protocol.ts';
import type { DeviceHealth, DeviceReadings, DeviceRecord } from './record.ts';
import type { DeviceCheck, DeviceFault } from './source.ts';
import type { DeviceListener, DeviceState, DeviceView } from './view.ts';

/** Complete enumerations in a row without a device before it counts as removed. */
const ABSENCES_UNTIL_REMOVED = 3;
/** A record that nothing said had changed is read again after this long, in milliseconds. */
const RECORD_LIFETIME_MS = 60_000;

interface Device {
  readonly view: DeviceView;
  /** The uuid of the device of which it is a part. */
  readonly parent: string | undefined;
  index: number;
  fingerprint: string;
  /** When the record was read; in the past for ever when it must be read again. */
  readAt: number;
  /** What was sampled last, without the health that the view shows with it. */
  sample?: DeviceReadings;
  sampledAt: number;
  answeredAt: number;
  /** The sweeps in which it last answered, and in which it was last accounted for. */
  answeredIn: number;
  accountedIn: number;
  absences: number;
  /** Whether the list of its parts that came with its last answer was complete. */
  partsComplete: boolean;
  /** The driver has said since then that its parts changed. */
  partsChanged: boolean;
}

/** A uuid that has answered but whose record has not been read yet; nobody has been told of it. */
interface Newcomer {
  parent: string | undefined;
  index: number;
  fingerprint: string;
  health?: DeviceHealth | undefined;
  answeredIn: number;
}

export interface InventoryOptions {
  source: string;
  listener: DeviceListener;
  log: Log;
  clock: () => number;
}

/** The devices of one source. */
export class Inventory {
  readonly #options: InventoryOptions;
  readonly #devices = new Map<string, Device>();
  readonly #atIndex = new Map<number, Device>();
  readonly #newcomers = new Map<string, Newcomer>();
  /** Pairs of uuid and index that have been reported as duplicates. */
  readonly #duplicates = new Set<string>();
  #sweep = 0;
  /** The condition of the source; known once the source is open. */
  condition = '';

  constructor(options: InventoryOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#devices.size;
  }

  /** Whether it is known which device is at this index. */
  knows(index: number): boolean {
    return this.#deviceAt(index) !== undefined;
  }

  /** Copies, for whoever asks between two changes. */
  views(): DeviceView[] {
    return [...this.#devices.values()].map(({ view }) => ({ ...view }));
  }

  beginSweep(): void {
    this.#sweep += 1;
  }

  /** The uuids of the parts of the device at this index. */
  partsAt(index: number): string[] {
    return this.#family(index)
      .filter(({ parent }) => parent !== undefined)
      .map(({ view }) => view.uuid);
  }

  /** The device at this index answered. */
  answered(index: number, check: DeviceCheck): void {
    if (!this.#answeredOne(index, check, undefined)) return;
    const { complete, seen } = check.parts ?? { complete: true, seen: [] };
    for (const part of seen) this.#answeredOne(index, part, check.uuid);
    const device = this.#devices.get(check.uuid);
    if (device) device.partsComplete = complete;
  }

  /** The device at this index gave an error. False when it is not known which device that is. */
  faulted(index: number, fault: Exclude<DeviceFault, 'driver-gone'>, message: string): boolean {
    const family = this.#family(index);
    // Whoever was at this index has answered from another one in this very sweep.
    if (family.length === 0 || family[0]?.answeredIn === this.#sweep) return false;
    for (const device of family) {
      this.#account(device);
      this.#setState(device, fault, message);
    }
    return true;
  }

  /** The device at this index is not touched any more. False when it is not known which device that is. */
  suspected(index: number, message: string): boolean {
    const family = this.#family(index);
    for (const device of family) {
      device.accountedIn = this.#sweep;
      device.absences = 0;
      this.#setState(device, 'hung', message);
    }
    return family.length > 0;
  }

  /** Ends a sweep in which every index has been looked at; `complete` when every one of them gave a uuid. */
  endSweep(complete: boolean): void {
    for (const [uuid, newcomer] of this.#newcomers) {
      if (newcomer.answeredIn !== this.#sweep) this.#newcomers.delete(uuid);
    }
    for (const device of this.#devices.values()) {
      if (device.accountedIn !== this.#sweep) this.#absent(device, complete);
    }
    for (const device of this.#devices.values()) {
      if (device.answeredIn === this.#sweep && device.partsComplete) device.partsChanged = false;
    }
  }

  /** Whose record must be read: new, changed, or not read for long. Only devices that answered this sweep. */
  unread(): Target[] {
    const outdated = this.#options.clock() - RECORD_LIFETIME_MS;
    const devices = [...this.#devices].filter(([, device]) => device.readAt <= outdated);
    return [...devices, ...this.#newcomers]
      .filter(([, device]) => device.answeredIn === this.#sweep)
      .map(([uuid, device]) => targetOf(uuid, device));
  }

  /**
   * Which devices are well and were not sampled after this time: those that never were, and of the others at most so
   * large a share of all, the longest waiting first; and those that are watched closely, whenever they were.
   */
  unsampled(since: number, share: number, closely: ReadonlySet<string> = new Set()): Target[] {
    const well = [...this.#devices.values()].filter(({ view }) => view.state === 'ok');
    const isUrgent = ({ view, sampledAt }: Device) => sampledAt === -Infinity || closely.has(view.uuid);
    const due = well
      .filter((device) => !isUrgent(device) && device.sampledAt <= since)
      .sort((one, other) => one.sampledAt - other.sampledAt)
      .slice(0, Math.ceil(share * this.#devices.size));
    return [...well.filter(isUrgent), ...due].map((device) => targetOf(device.view.uuid, device));
  }

  /** Takes a record that was read; the first one of a device makes the device known. */
  store(record: DeviceRecord): void {
    const device = this.#devices.get(record.uuid) ?? this.#admit(record);
    if (!device) return;
    device.readAt = this.#options.clock();
    if (isDeepStrictEqual(device.view.record, record)) return;
    device.view.record = record;
    this.#tell(device);
  }

  /** Takes the readings of a device; those of one that is not well are not believed. */
  sampled({ index, part }: Target, readings: DeviceReadings): void {
    const device = part === undefined ? this.#deviceAt(index) : this.#devices.get(part);
    if (device?.view.state !== 'ok') return;
    device.sampledAt = this.#options.clock();
    device.sample = readings;
    device.view.readings = { ...readings, ...device.view.health };
    this.#tell(device);
  }

  /** The driver says that the parts of a device changed, or those of any where it does not say which. */
  partsChanged(uuid: string | undefined): void {
    for (const device of this.#devices.values()) {
      if (uuid !== undefined && device.view.uuid !== uuid) continue;
      device.readAt = -Infinity;
      device.partsChanged = true;
    }
  }

  /** Something befell the driver as a whole. */
  setAll(state: DeviceState, message: string): void {
    for (const device of this.#devices.values()) {
      device.absences = 0;
      this.#setState(device, state, message);
    }
  }

  /** Takes back every `ok` that was not confirmed at or after this time; what was taken back before gets the message. */
  setSilent(since: number, state: DeviceState, message: string): void {
    for (const device of this.#devices.values()) {
      const believed = device.view.state === 'ok' || device.view.state === state;
      if (believed && device.answeredAt < since) this.#setState(device, state, message);
    }
  }

  /** A device or part answered. False where another one with its uuid has. */
  #answeredOne(index: number, check: Omit<DeviceCheck, 'parts'>, parent: string | undefined): boolean {
    const { uuid, fingerprint, health } = check;
    const device = this.#devices.get(uuid);
    const newcomer = this.#newcomers.get(uuid);
    if (this.#isDuplicate(device ?? newcomer, uuid, index)) return false;
    if (!device) {
      const known = { parent, index, fingerprint, health: health ?? newcomer?.health };
      this.#newcomers.set(uuid, { ...known, answeredIn: this.#sweep });
      return true;
    }
    if (device.fingerprint !== fingerprint || device.index !== index) device.readAt = -Infinity;
    device.fingerprint = fingerprint;
    device.answeredIn = this.#sweep;
    this.#account(device);
    this.#place(device, index);
    const changed = this.#setHealth(device, health);
    if (!this.#setState(device, 'ok', '') && changed) this.#tell(device);
    return true;
  }

  /** The device at this index, then its parts; empty when it is not known which device that is. */
  #family(index: number): Device[] {
    const device = this.#deviceAt(index);
    if (!device) return [];
    return [device, ...[...this.#devices.values()].filter(({ parent }) => parent === device.view.uuid)];
  }

  #deviceAt(index: number): Device | undefined {
    const device = this.#atIndex.get(index);
    return device?.index === index ? device : undefined;
  }

  #place(device: Device, index: number): void {
    device.index = index;
    if (device.parent === undefined) this.#atIndex.set(index, device);
  }

  /** An answer came for it, of whatever kind. */
  #account(device: Device): void {
    device.answeredAt = this.#options.clock();
    device.accountedIn = this.#sweep;
    device.absences = 0;
  }

  #admit(record: DeviceRecord): Device | undefined {
    const newcomer = this.#newcomers.get(record.uuid);
    if (!newcomer || this.#devices.size >= MAX_DEVICES) return undefined;
    const { parent } = newcomer;
    // Nobody is told of a part of something unknown.
    if (parent !== undefined && !this.#devices.has(parent)) return undefined;
    const { source, clock, log } = this.#options;
    const { uuid } = record;
    const { index, fingerprint, health } = newcomer;
    const state = { state: 'ok' as const, message: '' };
    const view: DeviceView = { uuid, condition: this.condition, source, ...state, record, ...(health && { health }) };
    const now = clock();
    const seen = {
      readAt: now,
      sampledAt: -Infinity,
      answeredAt: now,
      answeredIn: this.#sweep,
      accountedIn: this.#sweep,
    };
    const parts = { partsComplete: true, partsChanged: false };
    const device: Device = { view, parent, index, fingerprint, absences: 0, ...seen, ...parts };
    this.#newcomers.delete(uuid);
    this.#devices.set(uuid, device);
    this.#place(device, index);
    log.info({ source, gpu: uuid.toLowerCase(), index, model: record.model }, 'device found');
    this.#tell(device);
    return device;
  }

  #absent(device: Device, allAnswered: boolean): void {
    const parent = this.#devices.get(device.parent ?? '');
    const listed = parent?.answeredIn === this.#sweep ? parent : undefined;
    const complete = listed?.partsComplete ?? allAnswered;
    device.absences = complete ? device.absences + 1 : 0;
    if (!complete) this.#setState(device, 'failed', 'not found, while some device did not answer');
    else if (listed?.partsChanged) this.#remove(device);
    else if (device.absences < ABSENCES_UNTIL_REMOVED) this.#setState(device, 'missing', 'the driver does not list it');
    else this.#remove(device);
  }

  #remove(device: Device): void {
    const { uuid, source } = device.view;
    this.#devices.delete(uuid);
    if (this.#deviceAt(device.index) === device) this.#atIndex.delete(device.index);
    this.#options.log.warn({ source, gpu: uuid.toLowerCase() }, 'device removed');
    this.#options.listener.deviceRemoved(uuid);
  }

  /** Whether this uuid has already answered from another index in this sweep; said once. */
  #isDuplicate(known: Pick<Newcomer, 'index' | 'answeredIn'> | undefined, uuid: string, index: number): boolean {
    if (known?.answeredIn !== this.#sweep || known.index === index) return false;
    const pair = `${uuid} ${index}`;
    if (!this.#duplicates.has(pair) && this.#duplicates.size < MAX_DEVICES) {
      this.#duplicates.add(pair);
      this.#options.log.error(
        { gpu: uuid.toLowerCase(), index, first: known.index },
        'two devices show the same uuid; the second is ignored',
      );
    }
    return true;
  }

  /** Whether it differs from what was known. One that is not given leaves the last one. */
  #setHealth({ view, sample }: Device, health: DeviceHealth | undefined): boolean {
    if (health === undefined || isDeepStrictEqual(view.health, health)) return false;
    view.health = health;
    if (sample) view.readings = { ...sample, ...health };
    return true;
  }

  /** Whether that was news, and told. */
  #setState(device: Device, state: DeviceState, message: string): boolean {
    const { view } = device;
    if (view.state === state && view.message === message) return false;
    const { uuid, source, state: before } = view;
    view.state = state;
    view.message = message;
    if (state !== before)
      this.#options.log[state === 'ok' ? 'info' : 'warn'](
        { source, gpu: uuid.toLowerCase(), state, before, message },
        'device state changed',
      );
    this.#tell(device);
    return true;
  }

  #tell(device: Device): void {
    this.#options.listener.deviceChanged(device.view);
  }
}

function targetOf(uuid: string, { index, parent }: Pick<Device, 'index' | 'parent'>): Target {
  return parent === undefined ? { index } : { index, part: uuid };
}
