// What is known of each device at this moment: its latest view, what its counters say of the time since the readings
// before, and the last XID that its driver reported.
import type { DeviceReadings } from '../devices/record.ts';
import type { DeviceEvent } from '../devices/source.ts';
import type { DeviceView } from '../devices/view.ts';

/** One device as it was seen last. */
export interface LatestDevice {
  readonly view: Readonly<DeviceView>;
  /** The place of the GPU itself: for a MIG instance, that of its parent. */
  readonly gpuIndex: number;
  /** Over all links and both ways; absent until two readings of the counters are there. */
  readonly nvlinkBytesPerSecond: number | undefined;
  /** Absent until the driver has reported one. */
  readonly lastXid: number | undefined;
}

/** The devices that a node shows now. Told of everything that supervisors see. */
export class LatestDevices {
  readonly #devices = new Map<string, LatestDevice>();

  deviceChanged(view: DeviceView): void {
    const before = this.#devices.get(view.uuid);
    const { readings, record } = view;
    const isNew = readings?.timeMs !== before?.view.readings?.timeMs;
    const parent = record.parent === undefined ? undefined : this.#devices.get(record.parent);
    this.#devices.set(view.uuid, {
      // A copy: the supervisor changes its views in place.
      view: { ...view },
      gpuIndex: parent?.gpuIndex ?? record.index,
      nvlinkBytesPerSecond: isNew ? nvlinkRate(before?.view.readings, readings) : before?.nvlinkBytesPerSecond,
      lastXid: before?.lastXid,
    });
  }

  /** By its uuid, in the driver's spelling. */
  get(uuid: string): LatestDevice | undefined {
    return this.#devices.get(uuid);
  }

  deviceRemoved(uuid: string): void {
    this.#devices.delete(uuid);
  }

  eventReported({ kind, data, ...event }: DeviceEvent): void {
    if (kind !== 'xid') return;
    for (const [uuid, device] of this.#devices) {
      if (concerns(event, device.view)) this.#devices.set(uuid, { ...device, lastXid: data });
    }
  }

  [Symbol.iterator](): MapIterator<LatestDevice> {
    return this.#devices.values();
  }
}

/** Counters that went back began anew, and say nothing of the time between. */
function nvlinkRate(before: DeviceReadings | undefined, now: DeviceReadings | undefined): number | undefined {
  const [earlier, later] = [nvlinkBytes(before), nvlinkBytes(now)];
  if (!before || !now || earlier === undefined || later === undefined) return undefined;
  const seconds = (now.timeMs - before.timeMs) / 1000;
  return later >= earlier && seconds > 0 ? (later - earlier) / seconds : undefined;
}

function nvlinkBytes(readings: DeviceReadings | undefined): number | undefined {
  const { nvlinkTxBytes: sent, nvlinkRxBytes: received } = readings ?? {};
  return sent === undefined || received === undefined ? undefined : sent + received;
}

/** An event of a GPU concerns it alone; one of a MIG instance concerns that, and the GPU that it is a part of. */
function concerns(event: Omit<DeviceEvent, 'kind' | 'data'>, { uuid, record }: DeviceView): boolean {
  if (event.uuid === undefined) return false;
  if (uuid === event.uuid) return true;
  if (record.parent !== event.uuid || event.gpuInstance === undefined) return false;
  const { gpuInstance, computeInstance } = record.migInstance ?? {};
  if (gpuInstance !== event.gpuInstance) return false;
  return event.computeInstance === undefined || computeInstance === event.computeInstance;
}
