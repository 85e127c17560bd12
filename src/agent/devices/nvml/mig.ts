// The MIG instances of one NVIDIA GPU: which there are, and whether that is all of them.

import { presentOrNone } from '../absence.ts';
import type { DeviceHealth } from '../record.ts';
import { DeviceError, type DeviceParts } from '../source.ts';
import { readEccErrors } from './device-health.ts';
import type { DeviceHandle, Mode, NvmlLibrary } from './library.ts';

/** One instance; its handle may mean another one after the next reconfiguration. */
export interface MigInstance {
  uuid: string;
  handle: DeviceHandle;
}

/** What a GPU says of MIG. */
export interface Mig {
  /** Absent where the GPU has no MIG. */
  mode: Mode | undefined;
  /** In the order of their places. */
  instances: MigInstance[];
  /** False where something could not be read: an instance may be missing here. */
  complete: boolean;
}

/** No GPU has as many places for instances; a driver that says more is not believed. */
const MAX_PLACES = 64;

/** Reads the mode and, where it is on, the instances; places that none holds are left out. */
export function readMig(nvml: NvmlLibrary, device: DeviceHandle): Mig {
  const mig: Mig = { mode: undefined, instances: [], complete: true };
  mig.mode = readOf(mig, () => nvml.migMode(device));
  if (!mig.mode?.enabled) return mig;
  const places = readOf(mig, () => nvml.maxMigInstances(device)) ?? 0;
  for (let place = 0; place < Math.min(places, MAX_PLACES); place++) {
    const handle = readOf(mig, () => nvml.migInstance(device, place));
    const uuid = handle && readOfInstance(mig, () => nvml.uuid(handle));
    if (handle && uuid) mig.instances.push({ uuid, handle });
  }
  return mig;
}

/** The instances as parts of a device; undefined where there are none. */
export function checkInstances(nvml: NvmlLibrary, mig: Mig): DeviceParts | undefined {
  const { instances, complete } = mig;
  if (instances.length === 0 && complete) return undefined;
  return { complete, seen: instances.map(({ uuid, handle }) => ({ uuid, ...look(nvml, handle) })) };
}

/** An instance that was made anew may have the uuid of an earlier one, but another size. */
function look(nvml: NvmlLibrary, handle: DeviceHandle): { fingerprint: string; health?: DeviceHealth } {
  const ignored = { complete: true };
  const size = readOfInstance(ignored, () => nvml.attributes(handle));
  const eccErrors = readOfInstance(ignored, () => readEccErrors(nvml, handle));
  const health = presentOrNone({ eccErrors });
  return { fingerprint: JSON.stringify(size ?? {}), ...(health && { health }) };
}

/** As `tolerate`, and what failed leaves the list incomplete. */
function readOf<T>(mig: Pick<Mig, 'complete'>, read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof DeviceError) || error.fault !== 'failed') throw error;
    mig.complete = false;
    return undefined;
  }
}

/** The same of an instance: it may have gone since it was listed, which is no fault of its GPU, whatever the code. */
function readOfInstance<T>(mig: Pick<Mig, 'complete'>, read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof DeviceError) || error.fault === 'driver-gone') throw error;
    mig.complete = false;
    return undefined;
  }
}
