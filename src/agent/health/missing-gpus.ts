// GPUs that should be there: those that were seen before, and those that the PCI bus shows under a driver that shows
// them no more. A MIG instance that is gone is none of them: instances are made and unmade on purpose.
import type { PciFunction } from '../devices/pci.ts';
import { sysfsBusId } from '../devices/pci.ts';
import type { DeviceView } from '../devices/view.ts';

/** GPUs that are remembered. */
const MAX_GPUS = 1_024;

/** What is missing. */
export interface Missing {
  /** UUIDs that were here before, in lower case. */
  readonly gone: readonly string[];
  /** Addresses at which the PCI bus shows a GPU that its driver does not show. */
  readonly unshown: readonly string[];
}

/** Knows which GPUs a node should have. */
export class MissingGpus {
  readonly #addresses = new Map<string, string | undefined>();
  readonly #gone = new Set<string>();
  #unshown: readonly string[] = [];

  /** A device is there; true where it was missing, or is new. */
  seen({ uuid, record }: Pick<DeviceView, 'uuid' | 'record'>): boolean {
    if (record.parent !== undefined) return false;
    const name = uuid.toLowerCase();
    const isBack = this.#gone.delete(name) || !this.#addresses.has(name);
    if (!isBack || this.#addresses.size < MAX_GPUS) this.#addresses.set(name, sysfsBusId(record.pci?.busId ?? ''));
    return isBack;
  }

  /** A device is gone: for good, or so that nobody has seen it since the agent was started. */
  removed(uuid: string): void {
    const name = uuid.toLowerCase();
    this.#addresses.delete(name);
    if (!name.startsWith('mig-') && this.#gone.size < MAX_GPUS) this.#gone.add(name);
  }

  /** Where a device was seen last. */
  addressOf(uuid: string): string | undefined {
    return this.#addresses.get(uuid.toLowerCase());
  }

  /** Compares with what the PCI bus shows of a vendor's GPUs. Those of another driver belong to somebody else. */
  compare(functions: readonly PciFunction[], driver: string): void {
    const shown = new Set(this.#addresses.values());
    this.#unshown = functions
      .filter((one) => one.driver === driver && !one.isVirtual && !shown.has(one.busId))
      .map(({ busId }) => busId);
  }

  missing(): Missing {
    return { gone: [...this.#gone], unshown: this.#unshown };
  }
}

/** What is missing, in words; undefined for nothing. */
export function describeMissing({ gone, unshown }: Missing): string | undefined {
  const parts = [
    ...(gone.length > 0 ? [`here before and gone: ${gone.join(', ')}`] : []),
    ...(unshown.length > 0 ? [`on the PCI bus, but not shown by the driver: ${unshown.join(', ')}`] : []),
  ];
  return parts.length > 0 ? parts.join('; ') : undefined;
}
