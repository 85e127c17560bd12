// What a source of devices is: a small plug-in that runs inside the probe process and may block, fail or crash there.
import type { DeviceHealth, DeviceReadings, DeviceRecord } from './record.ts';

/** Why a device or its driver did not answer. */
export type DeviceFault =
  /** The library or the driver is not there (any more): nothing of this source can be read. */
  | 'driver-gone'
  /** This device has fallen off the bus. */
  | 'lost'
  /** This device answers nothing more until it is reset. */
  | 'reset-required'
  /** Any other failure; it may pass. */
  | 'failed';

/** Thrown by a source; the message is for people and names the call that failed. */
export class DeviceError extends Error {
  override readonly name = 'DeviceError';
  readonly fault: DeviceFault;

  constructor(fault: DeviceFault, message: string) {
    super(message);
    this.fault = fault;
  }
}

/** What the cheap, regular look at a device yields. */
export interface DeviceCheck {
  uuid: string;
  /** Changes whenever the device record should be read again, for instance when MIG is switched on. */
  fingerprint: string;
  /** Absent where the source has nothing to say of it. The probe leaves out what it has said before. */
  health?: DeviceHealth;
  /** The parts of the device that are devices of their own, its MIG instances; absent where there are none. */
  parts?: DeviceParts;
}

/** The parts of one device. */
export interface DeviceParts {
  /** False where the driver would not say all: what is not seen may be there. */
  complete: boolean;
  seen: Omit<DeviceCheck, 'parts'>[];
}

/** Something that a driver reported on its own account. */
export interface DeviceEvent {
  /** The device concerned; absent where the driver does not say. */
  uuid?: string;
  kind: 'xid' | 'single-bit-ecc' | 'double-bit-ecc' | 'mig-changed' | 'unavailable' | 'recovery-action' | 'other';
  /** The XID, or the driver's own event data. */
  data: number;
  /** Which MIG instance of the device; absent for all of it. */
  gpuInstance?: number;
  computeInstance?: number;
}

/**
 * A source of devices. Calls are synchronous, made by one thread, and throw {@link DeviceError}; a call that takes an
 * index touches no other device, so that a call that never returns names the device that hangs.
 */
export interface DeviceSource {
  readonly name: string;
  /** The condition that says whether this source can talk to a device, for instance `NVMLReady`. */
  readonly condition: string;
  /** Whether {@link events} can wait for one. */
  readonly waits: boolean;
  /** Loads the library and connects to the driver. Called again after `driver-gone`. */
  open(): void;
  /** How many devices the driver shows now; touches no device. */
  count(): number;
  /** The regular look at one device and its parts: goes to the hardware, not to a cache in the library. */
  check(index: number): DeviceCheck;
  /** The full record of one device, or of its part with that uuid. */
  read(index: number, part?: string): DeviceRecord;
  /** The moving values of one device, or of its part with that uuid. */
  sample(index: number, part?: string): DeviceReadings;
  /**
   * What the driver has reported since the last call. Where there is nothing yet, a source that {@link waits} waits for
   * the first event, at most so many milliseconds.
   */
  events(waitMs: number): DeviceEvent[];
  close(): void;
}
