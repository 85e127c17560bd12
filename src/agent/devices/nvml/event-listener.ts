// Listens to the events of every GPU through one event set.
import { present, tolerate } from '../absence.ts';
import { DeviceError, type DeviceEvent } from '../source.ts';
import type { EventData } from './layouts.ts';
import type { DeviceHandle, EventSetHandle, NvmlLibrary } from './library.ts';

const kinds: Record<number, DeviceEvent['kind']> = {
  1: 'single-bit-ecc',
  2: 'double-bit-ecc',
  8: 'xid',
  256: 'mig-changed',
  16384: 'unavailable',
  32768: 'recovery-action',
};

const wanted = Object.keys(kinds).reduce((types, type) => types | Number(type), 0);

/** A storm of events is drained in several calls, so that none takes long. */
const MAX_EVENTS_AT_ONCE = 1000;

/** One event set, and the devices registered with it. */
export class EventListener {
  readonly #nvml: NvmlLibrary;
  /** Undefined where the driver has no events. */
  #set: EventSetHandle | undefined;
  readonly #handles = new Map<string, DeviceHandle>();
  readonly #uuids = new Map<bigint, string>();

  constructor(nvml: NvmlLibrary) {
    this.#nvml = nvml;
    this.#set = tolerate(() => nvml.createEventSet());
  }

  /**
   * Makes sure that the device's events reach the set: those that are wanted and that it supports. A registration that
   * fails is tried again the next time; faults of the whole device are thrown.
   */
  register(device: DeviceHandle, uuid: string): void {
    const set = this.#set;
    if (set === undefined || this.#handles.get(uuid) === device) return;
    tolerate(() => {
      const types = wanted & (this.#nvml.supportedEvents(device) ?? 0);
      if (types !== 0) this.#nvml.registerEvents(device, types, set);
      this.#handles.set(uuid, device);
      this.#uuids.set(device, uuid);
    });
  }

  /**
   * What has happened since the last call, the oldest first; waits so many milliseconds for the first one. A failure is
   * thrown only when there is nothing to return; a lost device is no failure here, for the check of each device tells
   * which it is.
   */
  drain(waitMs: number): DeviceEvent[] {
    const events: DeviceEvent[] = [];
    try {
      while (events.length < MAX_EVENTS_AT_ONCE) {
        const event = this.#next(events.length === 0 ? waitMs : 0);
        if (event === undefined) break;
        events.push(event);
      }
    } catch (error) {
      if (concernsOneDevice(error)) this.#startOver();
      else if (events.length === 0) throw error;
    }
    return events;
  }

  /** A set with a lost device in it may say nothing else any more: the others join a new one with their next check. */
  #startOver(): void {
    tolerate(() => this.close());
    this.#handles.clear();
    this.#set = tolerate(() => this.#nvml.createEventSet());
  }

  /** Frees the set. */
  close(): void {
    const set = this.#set;
    this.#set = undefined;
    if (set !== undefined) this.#nvml.freeEventSet(set);
  }

  #next(waitMs: number): DeviceEvent | undefined {
    const event = this.#set && this.#nvml.nextEvent(this.#set, waitMs);
    return event && this.#describe(event);
  }

  /** An XID that the driver does not know comes as 999, and is passed on as such. */
  #describe({ device, type, data, gpuInstance, computeInstance }: EventData): DeviceEvent {
    const about = present({ uuid: this.#uuids.get(device), gpuInstance, computeInstance });
    return { ...about, kind: kinds[type] ?? 'other', data };
  }
}

function concernsOneDevice(error: unknown): boolean {
  return error instanceof DeviceError && (error.fault === 'lost' || error.fault === 'reset-required');
}
