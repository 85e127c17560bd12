// The kernel's log at work: which of the node's GPUs an XID in it concerns, and who hears of it.
import type { Log } from '../daemon/logger.ts';
import type { Readiness } from '../daemon/readiness.ts';
import { sysfsBusId } from './devices/pci.ts';
import type { HealthBook } from './health/health-book.ts';
import { KernelLog } from './health/kernel-log.ts';
import type { KernelXid } from './health/kernel-xids.ts';

/** The check of the readiness. */
const check = 'kernel log';

export interface KernelWitnessOptions {
  readonly path: string;
  readonly health: HealthBook;
  /** Takes an XID of a device. */
  readonly take: (uuid: string, code: number) => void;
  /** Told whether the log can be read; undefined where nobody wants to know. */
  readonly readiness: Readiness | undefined;
  readonly log: Log;
}

/** Reads the kernel's log for XIDs. */
export class KernelWitness {
  readonly #options: KernelWitnessOptions;
  readonly #kernelLog: KernelLog;

  constructor(options: KernelWitnessOptions) {
    this.#options = options;
    this.#kernelLog = new KernelLog({
      path: options.path,
      onXid: (xid) => this.#take(xid),
      onTrouble: (message) => this.#tell(message),
    });
  }

  start(): void {
    this.#kernelLog.start();
  }

  stop(): Promise<void> {
    return this.#kernelLog.stop();
  }

  #take({ address, code }: KernelXid): void {
    const { health, log, take } = this.#options;
    const device = [...health.shown()].find(
      ({ view }) => view.record.parent === undefined && isAt(view.record.pci?.busId, address),
    );
    if (device) take(device.uuid, code);
    else log.warn({ address, xid: code }, "the kernel's log names a GPU that is not known");
  }

  #tell(message: string | undefined): void {
    const { path, readiness, log } = this.#options;
    if (message === undefined) {
      readiness?.ok(check);
      return;
    }
    readiness?.warn(check, `${path}: ${message}`);
    log[readiness ? 'warn' : 'debug']({ path, reason: message }, "the kernel's log cannot be read");
  }
}

/** The log names no function: a GPU has one address there. */
function isAt(busId: string | undefined, address: string): boolean {
  return busId !== undefined && sysfsBusId(busId)?.startsWith(`${address}.`) === true;
}
