// What the supervisor tells the agent of devices and sources, after hangs, crashes and failures have been sorted out.
import type { DeviceHealth, DeviceReadings, DeviceRecord } from './record.ts';
import type { DeviceEvent } from './source.ts';

/** What is known of a device. Only `ok` means that it answered the latest probe. */
export type DeviceState =
  | 'ok'
  /** Fallen off the bus. */
  | 'lost'
  | 'reset-required'
  /** The driver answered the latest probe of this device with an error that may pass. */
  | 'failed'
  /** A driver call for this device, or for the whole driver, did not return before its deadline. */
  | 'hung'
  /** A complete enumeration did not show it; it is removed only after several such in a row. */
  | 'missing'
  /** The driver cannot be reached. */
  | 'driver-gone'
  /** The probe process is down and on its way back. */
  | 'probe-down';

/** One device as the supervisor sees it. */
export interface DeviceView {
  readonly uuid: string;
  /** The condition of the source that found it, for instance `NVMLReady`. */
  readonly condition: string;
  readonly source: string;
  state: DeviceState;
  /** Why the state is not `ok`, for people; empty when it is. */
  message: string;
  record: DeviceRecord;
  /** The latest sample, with {@link health} in it. */
  readings?: DeviceReadings;
  /** As of the latest look that was answered. */
  health?: DeviceHealth;
}

/** One source as the supervisor sees it. */
export interface SourceView {
  readonly name: string;
  state: 'starting' | 'running' | 'failed';
  /** Why it is not running, for people; empty when it is. */
  message: string;
  /** How many are known, also those that do not answer. */
  devices: number;
  /** How many GPUs the driver counted last, be they known or not; absent before it has. */
  counted?: number;
  /** How often the probe process was started again. */
  restarts: number;
  /**
   * Whether, since the agent started, a look at every index has ended that identified a device, or that found none to
   * identify.
   */
  enumerated: boolean;
  /** Indices of the latest look behind which there is a device that has not given its uuid since the agent started. */
  unidentified: number;
}

/** Receives every change once; calls come from the event loop of the agent process, never overlapping. */
export interface DeviceListener {
  /** A device is new, or its state, record, readings or health changed. The first call for a device is its first `ok`. */
  deviceChanged(device: DeviceView): void;
  /** A device is gone for good. */
  deviceRemoved(uuid: string): void;
  /** The driver of a source has reported something on its own account. */
  eventReported(source: string, event: DeviceEvent): void;
  sourceChanged(source: SourceView): void;
}
