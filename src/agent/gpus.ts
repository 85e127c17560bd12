// Carries what the supervisors see into the cache: one GPU for every device, with its conditions and its record.
//
// A device's latest view is all that counts. It is written at once; should the cache refuse (too many writes wait, or
// another provider owns a condition), it is written again later, until it is in or the device is gone.

import type { Cache } from '../cache-server/cache.ts';
import type { DeviceBook } from '../cache-server/device-details.ts';
import { CacheError } from '../cache-server/errors.ts';
import { agentProvider, type Write } from '../cache-server/write.ts';
import type { Log } from '../daemon/logger.ts';
import { statusOf } from './conditions.ts';
import { toDevice } from './device.ts';
import type { DeviceView } from './devices/view.ts';

/** How long a refused write waits before it is tried again. */
const retryMs = 1_000;

/** The GPUs that the agent has put into the cache, or found there after a restart. */
export class Gpus {
  readonly #cache: Cache;
  readonly #book: DeviceBook;
  readonly #log: Log;
  /** The latest view of each device, by name in the cache. */
  readonly #views = new Map<string, DeviceView>();
  readonly #retries = new Map<string, NodeJS.Timeout>();
  /** What the agent reported before the restart and has not seen since. */
  readonly #unseen: Set<string>;

  constructor(cache: Cache, book: DeviceBook, log: Log) {
    this.#cache = cache;
    this.#book = book;
    this.#log = log;
    this.#unseen = new Set(
      [...cache.peek().entries()]
        .filter(({ gpu }) => gpu.conditions.some(({ provider }) => provider === agentProvider))
        .map(({ gpu }) => gpu.name.toLowerCase()),
    );
  }

  /** Shows a device as it is now. */
  show(view: DeviceView): void {
    const name = view.uuid.toLowerCase();
    const before = this.#views.get(name);
    // A copy: the supervisor changes its views in place.
    this.#views.set(name, { ...view });
    this.#unseen.delete(name);
    if (before?.state !== view.state || before.message !== view.message) this.#write(name);
    try {
      this.#book.set(view.uuid, toDevice(view));
    } catch (error) {
      // A driver may answer with what no message can carry; the health of the GPU is served all the same.
      this.#log.error({ gpu: name, err: error }, 'the record of the device cannot be shown');
    }
  }

  /** Removes a device for good. */
  remove(uuid: string): void {
    const name = uuid.toLowerCase();
    this.#views.delete(name);
    this.#delete(name);
  }

  /** Removes what was there before the restart and is not now; to be called once every source has been looked through. */
  removeUnseen(): void {
    for (const name of this.#unseen) {
      this.#log.warn({ gpu: name }, 'the GPU was here before the restart and is gone');
      this.#delete(name);
    }
    this.#unseen.clear();
  }

  /** Writes nothing more. */
  stop(): void {
    for (const retry of this.#retries.values()) clearTimeout(retry);
    this.#retries.clear();
  }

  /** Both writes are accepted in this turn and stored as one: a GPU that is there already keeps its other conditions. */
  #write(name: string): void {
    clearTimeout(this.#retries.get(name));
    this.#retries.delete(name);
    const view = this.#views.get(name);
    if (!view) return;
    this.#cache.hold(name);
    const { uuid } = view;
    const status = statusOf(view);
    const writes: Write[] = [
      { kind: 'create', provider: agentProvider, name: uuid, namespace: '', uuid, status },
      { kind: 'status', provider: agentProvider, name: uuid, status, expectedVersion: 0n },
    ];
    Promise.all(writes.map((write) => this.#cache.write(write))).catch((error: unknown) => this.#retry(name, error));
  }

  #delete(name: string): void {
    this.#cache.release(name);
    this.#cache.write({ kind: 'delete', provider: agentProvider, name }).catch((error: unknown) => {
      // Somebody else may have deleted it already.
      if (!(error instanceof CacheError) || error.refusal !== 'not-found') {
        this.#log.error({ gpu: name, err: error }, 'the GPU could not be removed');
      }
    });
  }

  #retry(name: string, error: unknown): void {
    this.#log.error({ gpu: name, err: error }, 'the state of the GPU was refused; it is written again');
    if (this.#retries.has(name)) return;
    this.#retries.set(name, setTimeout(() => this.#write(name), retryMs).unref());
  }
}
