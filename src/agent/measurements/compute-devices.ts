// Which compute device is which GPU: by the uuid or the place on the PCI bus that its interface says, or by the word of
// an operator where it says neither.
import type { DeviceRecord } from '../devices/record.ts';
import { ComputeError, type ComputeInfo } from '../verification/compute.ts';
import { NotFree } from './contract.ts';

/** How long a list holds, in milliseconds: devices come and go with drivers and cards. */
const listHolds = 5 * 60_000;
/** After so long it is listed again for a GPU that was not found. */
const askAgainAfter = 30_000;

/** A device that computes, by its number in the list. */
export interface NumberedDevice {
  readonly device: number;
  readonly info: ComputeInfo;
}

/** What {@link ComputeDevices} needs. */
export interface ComputeDevicesOptions {
  /** Lists them, within a deadline, in a process of its own. @throws ComputeError (as a rejection) */
  readonly list: () => Promise<readonly ComputeInfo[]>;
  /** What an operator said: numbers by the names of GPUs, in lower case. */
  readonly given: ReadonlyMap<string, number>;
  /** Monotonic, in milliseconds. */
  readonly clock: () => number;
}

/** What came of listing. */
interface Listed {
  readonly at: number;
  readonly devices: readonly ComputeInfo[];
  /** Why there are none; empty where there are. */
  readonly reason: string;
}

/** The devices of this machine that compute. */
export class ComputeDevices {
  readonly #options: ComputeDevicesOptions;
  #listed: Listed | undefined;
  #listing: Promise<Listed> | undefined;

  constructor(options: ComputeDevicesOptions) {
    this.#options = options;
  }

  /**
   * The device of a GPU.
   *
   * @throws NotFree `unsupported` where there is none
   */
  async of(gpu: Pick<DeviceRecord, 'uuid' | 'pci'>): Promise<NumberedDevice> {
    const found = this.#find(gpu, await this.#list(listHolds)) ?? this.#find(gpu, await this.#list(askAgainAfter));
    if (found) return found;
    const given = this.#options.given.get(gpu.uuid.toLowerCase());
    const { devices, reason } = this.#listed ?? { devices: [], reason: '' };
    if (given === undefined) throw new NotFree('unsupported', reason || 'no compute library shows this GPU');
    throw new NotFree('unsupported', reason || `compute-devices gives it device ${given}; there are ${devices.length}`);
  }

  /** A device of the processor answers for a GPU only where an operator says so: it has neither uuid nor place. */
  #find({ uuid, pci }: Pick<DeviceRecord, 'uuid' | 'pci'>, { devices }: Listed): NumberedDevice | undefined {
    const place = pci && plainBusId(pci.busId);
    const device =
      this.#options.given.get(uuid.toLowerCase()) ??
      devices.findIndex((info) => {
        if (info.uuid !== undefined) return info.uuid.toLowerCase() === uuid.toLowerCase();
        return info.pciBusId !== undefined && plainBusId(info.pciBusId) === place;
      });
    const info = devices[device];
    return info && { device, info };
  }

  /** A list that is not older; several who ask at once get the same. */
  #list(age: number): Promise<Listed> | Listed {
    const { clock, list } = this.#options;
    if (this.#listed && clock() - this.#listed.at < age) return this.#listed;
    this.#listing ??= list()
      .then(
        (devices) => ({ at: clock(), devices, reason: '' }),
        (error: unknown) => {
          if (!(error instanceof ComputeError)) throw error;
          return { at: clock(), devices: [], reason: error.message };
        },
      )
      .then((listed) => {
        this.#listed = listed;
        return listed;
      })
      .finally(() => {
        this.#listing = undefined;
      });
    return this.#listing;
  }
}

/** In one spelling: NVML writes eight digits of domain, sysfs four. */
function plainBusId(busId: string): string {
  return busId.toLowerCase().replace(/^0+(?=[0-9a-f]{4}:)/, '');
}
