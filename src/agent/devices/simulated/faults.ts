// Faults to inject, read from a JSON file that may change at any time. By the device's place in the profile:
//
//   { "2": { "lost": true }, "3": { "failed": "no power" }, "4": { "hang": true }, "5": { "crash": "sample" },
//     "6": { "resetRequired": true }, "7": { "posesAs": 1 }, "removed": [0],
//     "driver": { "gone": true, "hang": "open", "crash": "events" } }
//
// `hang` and `crash` take `true` (any call for this device) or the name of one call.
import { readFileSync, statSync } from 'node:fs';

const DEVICE_CALLS = ['check', 'read', 'sample'] as const;
const DRIVER_CALLS = ['open', 'count', 'events'] as const;

export type DeviceCall = (typeof DEVICE_CALLS)[number];
export type DriverCall = (typeof DRIVER_CALLS)[number];

/** What is wrong with one device. */
export interface PlaceFaults {
  lost?: boolean;
  resetRequired?: boolean;
  failed?: string;
  hang?: true | DeviceCall;
  crash?: true | DeviceCall;
  /** Shows the identity of the device at that place: one card posing as two. */
  posesAs?: number;
}

/** What is wrong with the driver as a whole. */
export interface DriverFaults {
  gone?: boolean;
  hang?: DriverCall;
  crash?: DriverCall;
}

export interface Faults {
  readonly places: ReadonlyMap<number, PlaceFaults>;
  readonly removed: ReadonlySet<number>;
  readonly driver: DriverFaults;
}

const NO_FAULTS: Faults = { places: new Map(), removed: new Set(), driver: {} };

/** Follows a file of faults. A missing file means none; a garbled one is reported once and changes nothing. */
export class FaultsFile {
  readonly #path: string | undefined;
  readonly #report: (message: string) => void;
  #faults = NO_FAULTS;
  #version = '';

  constructor(path: string | undefined, report: (message: string) => void) {
    this.#path = path;
    this.#report = report;
  }

  /** The faults in force; looks at the file first. */
  current(): Faults {
    if (this.#path === undefined) return this.#faults;
    const version = versionOf(this.#path);
    if (version === this.#version) return this.#faults;
    this.#version = version;
    try {
      this.#faults = version === '' ? NO_FAULTS : parseFaults(readFileSync(this.#path, 'utf8'));
    } catch (error) {
      this.#report(`faults in ${this.#path} ignored: ${error instanceof Error ? error.message : error}`);
    }
    return this.#faults;
  }
}

/** Empty when there is no such file. */
function versionOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? '' : `${stat.ino}:${stat.mtimeMs}:${stat.size}`;
}

/**
 * Reads faults from JSON.
 *
 * @throws Error that names what is wrong
 */
export function parseFaults(text: string): Faults {
  const places = new Map<number, PlaceFaults>();
  let removed: number[] = [];
  let driver: DriverFaults = {};
  for (const [key, value] of Object.entries(object(JSON.parse(text), 'the file'))) {
    if (key === 'removed') removed = parseRemoved(value);
    else if (key === 'driver') driver = parseDriver(value);
    else if (/^\d{1,3}$/.test(key)) places.set(Number(key), parsePlace(value, key));
    else throw new Error(`unknown key "${key}"`);
  }
  return { places, removed: new Set(removed), driver };
}

function parseRemoved(value: unknown): number[] {
  if (Array.isArray(value) && value.every((place) => Number.isInteger(place))) return value;
  throw new Error('"removed" must be a list of places');
}

function parseDriver(value: unknown): DriverFaults {
  const faults: DriverFaults = {};
  for (const [key, setting] of Object.entries(object(value, '"driver"'))) {
    if (key === 'gone') faults.gone = setting === true;
    else if (key === 'hang' || key === 'crash') faults[key] = oneOf(DRIVER_CALLS, setting, `"driver" ${key}`);
    else throw new Error(`unknown fault "${key}" of the driver`);
  }
  return faults;
}

function parsePlace(value: unknown, place: string): PlaceFaults {
  const faults: PlaceFaults = {};
  for (const [key, setting] of Object.entries(object(value, `"${place}"`))) {
    if (key === 'lost' || key === 'resetRequired') faults[key] = setting === true;
    else if (key === 'failed') faults.failed = String(setting);
    else if (key === 'posesAs') faults.posesAs = Number(setting);
    else if (key === 'hang' || key === 'crash') {
      if (setting !== false) faults[key] = setting === true || oneOf(DEVICE_CALLS, setting, `"${place}" ${key}`);
    } else throw new Error(`unknown fault "${key}" of "${place}"`);
  }
  return faults;
}

function object(value: unknown, where: string): object {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw new Error(`${where} must be an object`);
}

function oneOf<T extends string>(allowed: readonly T[], value: unknown, where: string): T {
  const found = allowed.find((name) => name === value);
  if (found === undefined) throw new Error(`${where} must be one of ${allowed.join(', ')}`);
  return found;
}

/** Never returns, as a driver call that hangs. */
export function hang(): never {
  const nothing = new Int32Array(new SharedArrayBuffer(4));
  for (;;) Atomics.wait(nothing, 0, 0);
}

/** Ends this process as a driver that writes through a wild pointer. */
export function crash(): never {
  process.kill(process.pid, 'SIGSEGV');
  return hang();
}
