// The faults that simulated devices can have, as a JSON file says them. By the device's place in the profile, or by its
// uuid:
//
//   { "2": { "lost": true }, "3": { "failed": "no power" }, "4": { "hang": true }, "5": { "crash": "sample" },
//     "6": { "resetRequired": true }, "7": { "posesAs": 1 },
//     "GPU-51…": { "ecc": { "uncorrected": 2 }, "remappedRows": { "pending": true }, "recoveryAction": "reset" },
//     "removed": [0], "events": [{ "gpu": 3, "xid": 79 }],
//     "driver": { "gone": true, "hang": "open", "crash": "events" } }
//
// `hang` and `crash` take `true` (any call for this device) or the name of one call.
import { type RecoveryAction, recoveryActions, type ThrottleReason, throttleReasons } from '../record.ts';
import type { DeviceEvent } from '../source.ts';

const DEVICE_CALLS = ['check', 'read', 'sample'] as const;
const DRIVER_CALLS = ['open', 'count', 'events'] as const;

const eventKinds = [
  'xid',
  'single-bit-ecc',
  'double-bit-ecc',
  'mig-changed',
  'unavailable',
  'recovery-action',
  'other',
] as const satisfies readonly DeviceEvent['kind'][];

export type DeviceCall = (typeof DEVICE_CALLS)[number];
export type DriverCall = (typeof DRIVER_CALLS)[number];

/** A device by its place in the profile, or by its uuid. */
export type DeviceKey = number | string;

/** What is wrong with one device. Counts come on top of what the device would show. */
export interface DeviceFaults {
  lost?: boolean;
  resetRequired?: boolean;
  failed?: string;
  hang?: true | DeviceCall;
  crash?: true | DeviceCall;
  /** Shows the identity of the device at that place: one card posing as two. */
  posesAs?: number;
  temperatureCelsius?: number;
  memoryTemperatureCelsius?: number;
  /** The clocks are halved, but for `idle`. */
  throttleReasons?: ThrottleReason[];
  ecc?: { corrected?: number; uncorrected?: number };
  retiredPages?: { singleBit?: number; doubleBit?: number; pending?: boolean };
  remappedRows?: { correctable?: number; uncorrectable?: number; pending?: boolean; failed?: boolean };
  /** The numbers of links that are down. */
  nvlinksDown?: number[];
  nvlinkErrors?: { crc?: number; replay?: number; recovery?: number };
  pcieReplays?: number;
  recoveryAction?: RecoveryAction;
  /** No fault: when the device was reset, in milliseconds since the epoch. Its counters count from there. */
  resetAtMs?: number;
}

/** What is wrong with the driver as a whole. */
export interface DriverFaults {
  gone?: boolean;
  hang?: DriverCall;
  crash?: DriverCall;
}

/** An event that the driver reports once, when it is new in the file. */
export interface EventFault {
  gpu: DeviceKey;
  /** Short for the kind `xid` with this number as `data`. */
  xid?: number;
  kind?: DeviceEvent['kind'];
  data?: number;
  gpuInstance?: number;
  computeInstance?: number;
  /** Tells one event from another like it. */
  time?: string;
}

export interface Faults {
  /** By place, or by uuid in lower case. */
  readonly devices: ReadonlyMap<DeviceKey, DeviceFaults>;
  readonly removed: ReadonlySet<DeviceKey>;
  readonly events: readonly EventFault[];
  readonly driver: DriverFaults;
}

export const NO_FAULTS: Faults = { devices: new Map(), removed: new Set(), events: [], driver: {} };

/**
 * Reads faults from JSON.
 *
 * @throws Error that names what is wrong
 */
export function parseFaults(text: string): Faults {
  const devices = new Map<DeviceKey, DeviceFaults>();
  let { removed, events, driver } = NO_FAULTS;
  for (const [key, value] of Object.entries(object(JSON.parse(text), 'the file'))) {
    if (key === 'removed') removed = new Set(listOf(deviceKey, value, '"removed"', 'places'));
    else if (key === 'events') events = listOf(eventFault, value, '"events"', 'events');
    else if (key === 'driver') driver = fields(driverFields, value, '"driver"');
    else if (isKey(key)) devices.set(deviceKey(key), fields(deviceFields, value, `"${key}"`));
    else throw new Error(`unknown key "${key}"`);
  }
  return { devices, removed, events, driver };
}

/** The same as JSON. */
export function formatFaults({ devices, removed, events, driver }: Faults): string {
  const document = {
    ...Object.fromEntries(devices),
    ...(removed.size > 0 && { removed: [...removed] }),
    ...(events.length > 0 && { events }),
    ...(Object.keys(driver).length > 0 && { driver }),
  };
  return `${JSON.stringify(document, undefined, 2)}\n`;
}

/** Reads a value, or throws an Error that begins with `where`. */
type Reader<Value> = (value: unknown, where: string) => Value;
/** How each field of an object is read. */
type Fields<Shape> = { readonly [Name in keyof Shape]-?: Reader<Shape[Name]> };

const call = (value: unknown, where: string) => {
  if (value === false) return undefined;
  return value === true || oneOf(DEVICE_CALLS)(value, where);
};

const deviceFields: Fields<DeviceFaults> = {
  lost: flag,
  resetRequired: flag,
  failed: String,
  hang: call,
  crash: call,
  posesAs: count,
  temperatureCelsius: count,
  memoryTemperatureCelsius: count,
  throttleReasons: (value, where) => listOf(oneOf(throttleReasons), value, where, 'reasons'),
  ecc: shape({ corrected: count, uncorrected: count }),
  retiredPages: shape({ singleBit: count, doubleBit: count, pending: flag }),
  remappedRows: shape({ correctable: count, uncorrectable: count, pending: flag, failed: flag }),
  nvlinksDown: (value, where) => listOf(count, value, where, 'numbers of links'),
  nvlinkErrors: shape({ crc: count, replay: count, recovery: count }),
  pcieReplays: count,
  recoveryAction: oneOf(recoveryActions),
  resetAtMs: count,
};

const driverFields: Fields<DriverFaults> = { gone: flag, hang: oneOf(DRIVER_CALLS), crash: oneOf(DRIVER_CALLS) };

const eventFields: Fields<EventFault> = {
  gpu: deviceKey,
  xid: count,
  kind: oneOf(eventKinds),
  data: count,
  gpuInstance: count,
  computeInstance: count,
  time: String,
};

function eventFault(value: unknown, where: string): EventFault {
  const event: Partial<EventFault> = fields(eventFields, value, where);
  if (event.gpu === undefined) throw new Error(`${where} must have a "gpu"`);
  if ((event.xid === undefined) === (event.kind === undefined)) {
    throw new Error(`${where} must have either "xid" or "kind"`);
  }
  return { ...event, gpu: event.gpu };
}

function shape<Shape extends object>(table: Fields<Shape>): Reader<Shape> {
  return (value, where) => fields(table, value, where);
}

/** Every field that the value has, and no other. */
function fields<Shape extends object>(table: Fields<Shape>, value: unknown, where: string): Shape {
  const read: Partial<Shape> = {};
  for (const [name, setting] of Object.entries(object(value, where))) {
    if (!Object.hasOwn(table, name)) throw new Error(`unknown fault "${name}" of ${where}`);
    const known = name as keyof Shape;
    const found = table[known](setting, `${where} ${name}`);
    if (found !== undefined) read[known] = found;
  }
  return read as Shape;
}

function object(value: unknown, where: string): object {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw new Error(`${where} must be an object`);
}

function flag(value: unknown, where: string): boolean {
  if (typeof value === 'boolean') return value;
  throw new Error(`${where} must be true or false`);
}

function count(value: unknown, where: string): number {
  if (Number.isSafeInteger(value) && Number(value) >= 0) return Number(value);
  throw new Error(`${where} must be a whole number from 0 on`);
}

function isKey(value: unknown): boolean {
  return /^(?:\d{1,3}|(?:GPU|MIG)-[\w-]{1,60})$/i.test(String(value));
}

function deviceKey(value: unknown, where = 'a device'): DeviceKey {
  if (!isKey(value)) throw new Error(`${where} must be a place or a uuid`);
  return /^\d+$/.test(String(value)) ? Number(value) : String(value).toLowerCase();
}

function oneOf<T extends string>(allowed: readonly T[]): Reader<T> {
  return (value, where) => {
    const found = allowed.find((name) => name === value);
    if (found === undefined) throw new Error(`${where} must be one of ${allowed.join(', ')}`);
    return found;
  };
}

function listOf<Value>(read: Reader<Value>, value: unknown, where: string, of: string): Value[] {
  if (!Array.isArray(value)) throw new Error(`${where} must be a list of ${of}`);
  return value.map((one, place) => read(one, `${where}[${place}]`));
}
