// Sees to it that no GPU goes missing unnoticed: what was there before, and what the PCI bus shows, is compared with what
// the sources show. It says so in the readiness, and keeps a GPU in the cache that is still on the bus.
import type { Readiness } from '../daemon/readiness.ts';
import { HostFiles } from './devices/host-files.ts';
import { listGpuFunctions } from './devices/pci.ts';
import type { DeviceView } from './devices/view.ts';
import type { Gpus } from './gpus.ts';
import { describeMissing, type Missing, MissingGpus } from './health/missing-gpus.ts';

/** How often the PCI bus is looked at, in milliseconds; besides, whenever a GPU goes. */
const interval = 60_000;
/** The check of the readiness. */
const check = 'gpus';
/** The kernel's driver of the GPUs that NVML shows. Other sources read what the bus shows themselves. */
const driver = 'nvidia';

/** Which GPUs should be there. */
export class RollCall {
  readonly #missing = new MissingGpus();
  readonly #files: HostFiles;
  readonly #readiness: Readiness;
  readonly #gpus: Gpus;
  /** Kept in the cache though no source shows them: uuids by address. */
  readonly #kept = new Map<string, string>();
  #watchesBus = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(hostRoot: string, readiness: Readiness, gpus: Gpus) {
    this.#files = new HostFiles(hostRoot);
    this.#readiness = readiness;
    this.#gpus = gpus;
  }

  /** Looks at the PCI bus now and then. */
  watchBus(): void {
    this.#watchesBus = true;
    this.#timer ??= setInterval(() => this.compare(), interval).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  missing(): Missing {
    return this.#missing.missing();
  }

  seen(view: DeviceView): void {
    const isBack = this.#missing.seen(view);
    for (const [address, uuid] of this.#kept) if (uuid === view.uuid) this.#kept.delete(address);
    if (isBack) this.compare();
  }

  /** A source does not show a device any more. */
  removed(uuid: string): void {
    const address = this.#missing.addressOf(uuid);
    this.#missing.removed(uuid);
    this.compare();
    if (address !== undefined && this.missing().unshown.includes(address)) {
      this.#kept.set(address, uuid);
      this.#gpus.keepUnshown(uuid);
    } else {
      this.#gpus.remove(uuid);
    }
  }

  /** Nobody has seen these since the agent was started. */
  unseen(uuids: readonly string[]): void {
    for (const uuid of uuids) this.#missing.removed(uuid);
    this.compare();
  }

  /** Compares with what the PCI bus shows, and says what is missing. */
  compare(): void {
    if (this.#watchesBus) this.#missing.compare(listGpuFunctions(this.#files), driver);
    const missing = this.missing();
    for (const [address, uuid] of this.#kept) {
      if (missing.unshown.includes(address)) continue;
      this.#kept.delete(address);
      this.#gpus.remove(uuid);
    }
    const words = describeMissing(missing);
    if (words === undefined) this.#readiness.ok(check);
    else this.#readiness.warn(check, words);
  }
}
