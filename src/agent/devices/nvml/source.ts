// The source of NVIDIA GPUs: what NVML says, in the terms of the device record.

import { present, tolerate } from '../absence.ts';
import type { DeviceReadings, DeviceRecord } from '../record.ts';
import { type DeviceCheck, DeviceError, type DeviceEvent, type DeviceSource } from '../source.ts';
import { readDeviceHealth } from './device-health.ts';
import { readDeviceReadings, readInstanceReadings } from './device-readings.ts';
import { migOf, readActiveNvlinks, readDeviceRecord, readInstanceRecord } from './device-record.ts';
import { EventListener } from './event-listener.ts';
import type { DeviceHandle, NvmlLibrary } from './library.ts';
import { checkInstances, type Mig, type MigInstance, readMig } from './mig.ts';
import { loadNvml, type SearchOptions } from './search.ts';

/** A source of NVIDIA GPUs; nothing is loaded before {@link DeviceSource.open}. */
export function createNvmlSource(options: SearchOptions = {}): DeviceSource {
  return new NvmlSource(options);
}

interface Connection {
  nvml: NvmlLibrary;
  listener: EventListener;
}

class NvmlSource implements DeviceSource {
  readonly name = 'nvml';
  readonly condition = 'NVMLReady';
  readonly waits = true;
  readonly #options: SearchOptions;
  #connection: Connection | undefined;

  constructor(options: SearchOptions) {
    this.#options = options;
  }

  open(): void {
    this.close();
    const nvml = loadNvml(this.#options);
    try {
      nvml.init();
      this.#connection = { nvml, listener: new EventListener(nvml) };
    } catch (error) {
      ignoreFailure(() => nvml.shutdown());
      nvml.close();
      throw error;
    }
  }

  count(): number {
    return this.#connected().nvml.deviceCount();
  }

  /** The temperature comes from the hardware, so that a device that no longer answers is found. */
  check(index: number): DeviceCheck {
    const { nvml, listener } = this.#connected();
    const device = nvml.deviceByIndex(index);
    const uuid = nvml.uuid(device);
    const temperatureCelsius = nvml.temperature(device);
    listener.register(device, uuid);
    const health = { ...present({ temperatureCelsius }), ...readDeviceHealth(nvml, device) };
    const mig = readMig(nvml, device);
    const parts = checkInstances(nvml, mig);
    return { uuid, fingerprint: fingerprint(nvml, device, mig), health, ...(parts && { parts }) };
  }

  read(index: number, part?: string): DeviceRecord {
    const { nvml } = this.#connected();
    const device = nvml.deviceByIndex(index);
    if (part === undefined) return readDeviceRecord(nvml, index, device);
    return readInstanceRecord(nvml, index, device, instanceOf(nvml, device, part));
  }

  sample(index: number, part?: string): DeviceReadings {
    const { nvml } = this.#connected();
    const device = nvml.deviceByIndex(index);
    if (part === undefined) return readDeviceReadings(nvml, device);
    return readInstanceReadings(nvml, instanceOf(nvml, device, part).handle);
  }

  events(waitMs: number): DeviceEvent[] {
    return this.#connected().listener.drain(waitMs);
  }

  /** Lets go of the driver even where it no longer answers. */
  close(): void {
    if (this.#connection === undefined) return;
    const { nvml, listener } = this.#connection;
    this.#connection = undefined;
    ignoreFailure(() => listener.close());
    ignoreFailure(() => nvml.shutdown());
    nvml.close();
  }

  #connected(): Connection {
    if (this.#connection === undefined) throw new DeviceError('driver-gone', 'NVML is not open');
    return this.#connection;
  }
}

/** Looked up by each call, for handles of instances change their meaning. */
function instanceOf(nvml: NvmlLibrary, device: DeviceHandle, uuid: string): MigInstance {
  const found = readMig(nvml, device).instances.find((instance) => instance.uuid === uuid);
  if (found === undefined) throw new DeviceError('failed', `the device has no MIG instance ${uuid}`);
  return found;
}

/** The parts of the record that change while the driver runs and cost little to ask for. */
function fingerprint(nvml: NvmlLibrary, device: DeviceHandle, mig: Mig): string {
  return JSON.stringify([
    migOf(mig),
    tolerate(() => nvml.eccMode(device)),
    tolerate(() => nvml.enforcedPowerLimit(device)),
    readActiveNvlinks(nvml, device),
  ]);
}

function ignoreFailure(call: () => void): void {
  try {
    call();
  } catch (error) {
    if (!(error instanceof DeviceError)) throw error;
  }
}
