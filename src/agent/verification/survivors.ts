// Measuring processes that not even SIGKILL ends, because the kernel holds them in a call of the driver. Each keeps what
// it had of its device, and one more would learn nothing new: so its device is left alone until it is gone, and with two
// of them all devices are.
import type { ChildProcess } from 'node:child_process';
import type { Order } from './orders.ts';

/** So many at most. */
const mostSurvivors = 2;
/** A killed process is gone within milliseconds unless the kernel holds it. */
const patienceMs = 2_000;

/** Told of a process that could not be killed, with the number of its device. */
export type SurvivorListener = (pid: number, device: number | undefined) => void;

export class Survivors {
  /** With the numbers of their devices; undefined for one that only listed them. */
  readonly #processes = new Map<ChildProcess, number | undefined>();
  readonly #patienceMs: number;
  #listener: SurvivorListener = () => {};

  /** @param patience how long a killed process may take to end, in milliseconds */
  constructor(patience = patienceMs) {
    this.#patienceMs = patience;
  }

  /** Why an order must not be carried out now, for people; undefined where nothing is in its way. */
  inTheWayOf(order: Order): string | undefined {
    const many = this.#processes.size >= mostSurvivors;
    const found = [...this.#processes].filter(
      ([, device]) => many || (order.kind !== 'list' && order.device === device),
    );
    if (found.length === 0) return undefined;
    const pids = found.map(([{ pid }]) => pid).join(', ');
    return `a measuring process could not be killed: the kernel holds it in a call of the driver (pid ${pids})`;
  }

  /** Calls the listener for every process that turns out to survive; there is one listener. */
  onSurvivor(listener: SurvivorListener): void {
    this.#listener = listener;
  }

  /** To be called when a process is killed, or has ended. Resolves when it is gone, or counts as a survivor. */
  bury(process: ChildProcess, device: number | undefined): Promise<void> {
    // One that could not be started has no pid, and never ends.
    const { pid, exitCode, signalCode } = process;
    if (pid === undefined || exitCode !== null || signalCode !== null) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#processes.set(process, device);
        this.#listener(pid, device);
        // It shall not keep this program from ending.
        process.unref();
        process.channel?.unref();
        resolve();
      }, this.#patienceMs);
      process.once('exit', () => {
        clearTimeout(timer);
        this.#processes.delete(process);
        resolve();
      });
    });
  }
}
