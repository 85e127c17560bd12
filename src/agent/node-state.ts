// The GPUs of the cache as the broker is told of them: all of them at a moment, each change, and what was read.
//
// A GPU is looked at again after every write to it, at the end of the turn, and with every round of samples, for the
// record of its device changes without a write. What differs from what was told before is a change.
import { createHash } from 'node:crypto';
import type { GpuChange, NodeState } from '../broker-client/node-state.ts';
import type { Cache, CacheObserver, Change, Entry, Written } from '../cache-server/cache.ts';
import type { DeviceBook } from '../cache-server/device-details.ts';
import { toWire } from '../cache-server/gpu.ts';
import type { Write } from '../cache-server/write.ts';
import type { Device, Readings } from '../wire/gpubroker/device/v1/device_details.ts';
import { Gpu, type Sample } from '../wire/gpubroker/node/v1/node_link.ts';
import { toSample } from './sample.ts';

/** Where a {@link CacheState} finds what it shows. */
export interface CacheStateOptions {
  readonly cache: Cache;
  readonly book: DeviceBook;
  /** How many processes compute on a GPU; undefined where nobody says. */
  readonly computeProcesses: (name: string) => number | undefined;
}

/** The GPUs of one cache. */
export class CacheState implements NodeState, CacheObserver {
  readonly #options: CacheStateOptions;
  readonly #listeners = new Set<(changes: readonly GpuChange[]) => void>();
  /** What the listeners know of each GPU, by name. */
  readonly #told = new Map<string, string>();
  /** The readings that the last samples had. */
  readonly #sampled = new Map<string, Readings>();
  readonly #touched = new Set<string>();
  #flush: NodeJS.Immediate | undefined;

  constructor(options: CacheStateOptions) {
    this.#options = options;
    for (const gpu of this.#gpus()) this.#told.set(nameOf(gpu), fingerprint(gpu));
    options.cache.observe(this);
    options.book.observeUse((name) => this.#touch(name));
  }

  snapshot(): Gpu[] {
    const gpus = this.#gpus();
    this.#tell(gpus);
    return gpus;
  }

  subscribe(listener: (changes: readonly GpuChange[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  samples(): Sample[] {
    this.snapshot();
    return [...this.#options.cache.peek().entries()].flatMap((entry) => this.#sample(entry) ?? []);
  }

  changed({ entry }: Change): void {
    this.#touch(entry.gpu.name);
  }

  written(_write: Write, { entry }: Written): void {
    this.#touch(entry.gpu.name);
  }

  #touch(name: string): void {
    this.#touched.add(name);
    this.#flush ??= setImmediate(() => {
      this.#flush = undefined;
      const view = this.#options.cache.peek();
      const entries = [...this.#touched].flatMap((one) => view.get(one) ?? []);
      this.#touched.clear();
      this.#tell(entries.map((entry) => this.#gpu(entry)));
    });
  }

  /** Tells of those that differ, and of those that the cache has no more. */
  #tell(gpus: readonly Gpu[]): void {
    const view = this.#options.cache.peek();
    const changes: GpuChange[] = [];
    for (const name of this.#told.keys()) {
      if (view.get(name)) continue;
      this.#told.delete(name);
      this.#sampled.delete(name);
      changes.push({ removed: name });
    }
    for (const gpu of gpus) {
      const now = fingerprint(gpu);
      if (this.#told.get(nameOf(gpu)) === now) continue;
      this.#told.set(nameOf(gpu), now);
      changes.push({ changed: gpu });
    }
    if (changes.length > 0) for (const listener of this.#listeners) listener(changes);
  }

  #gpus(): Gpu[] {
    return [...this.#options.cache.peek().entries()].map((entry) => this.#gpu(entry));
  }

  #gpu(entry: Entry): Gpu {
    const { status, resourceVersion } = toWire(entry.gpu);
    const device = this.#options.book.device(entry);
    return {
      // One that has not said who it is since the start has no record; the cache knows it from before.
      // What is leased the broker has told itself.
      device: { ...device, uuid: device.uuid || entry.gpu.uuid, readings: undefined, processes: [], leased: undefined },
      conditions: status?.conditions ?? [],
      recommendedAction: status?.recommendedAction ?? '',
      resourceVersion: String(resourceVersion),
      computeProcesses: this.#options.computeProcesses(entry.gpu.name),
    };
  }

  /** What was read since the last time. */
  #sample(entry: Entry): Sample | undefined {
    const gpu = entry.gpu.name;
    const { readings } = this.#options.book.device(entry);
    const before = this.#sampled.get(gpu);
    if (!readings?.time || before?.time?.getTime() === readings.time.getTime()) return undefined;
    this.#sampled.set(gpu, readings);
    return toSample(gpu, readings, before);
  }
}

function nameOf({ device }: Gpu): string {
  return device?.name ?? '';
}

/** What of a GPU counts as a change: not its version, nor the state of its PCI link, which follows its load. */
function fingerprint(gpu: Gpu): string {
  const told = { ...gpu, resourceVersion: '', device: gpu.device && withoutLinkState(gpu.device) };
  return createHash('sha256').update(Gpu.encode(told).finish()).digest('base64');
}

function withoutLinkState(device: Device): Device {
  return device.pci ? { ...device, pci: { ...device.pci, linkGeneration: undefined, linkWidth: undefined } } : device;
}
