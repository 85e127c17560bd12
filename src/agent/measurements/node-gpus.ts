// The GPUs of this node that may compute for the agent, and those that do.
//
//   free ──take──▶ asked ──nothing stands against it──▶ taken ──release──▶ free
//                    │                                    │
//                    └──something does──▶ free            └──something does──▶ lost ──release──▶ free
//
// What stands against it is looked at with every change of the GPU's state, its use and its readings, so a GPU that is
// sold is lost in the same turn of the event loop.
//
// The agent's own process on a GPU must not make the GPU look occupied: from `taken` until the first reading after
// `release`, one process fewer is counted, for drivers name processes as the host numbers them, and the agent may not
// know its own by that. So a foreign process can go unnoticed for as long as the driver does not list ours as well:
// between `taken` and the first reading after our process has opened the device, which takes a few seconds; and on a
// driver that never lists ours, for as long as the GPU is taken.
import type { Cache, CacheObserver, Change, Entry } from '../../cache-server/cache.ts';
import type { DeviceBook } from '../../cache-server/device-details.ts';
import { gpuHealth, healthCause, type PolarityOverrides } from '../../daemon/health.ts';
import type { RunConditions } from '../../wire/gpubroker/device/v1/measurement.ts';
import type { DeviceReadings } from '../devices/record.ts';
import type { DeviceView } from '../devices/view.ts';
import type { ComputeDevices } from './compute-devices.ts';
import { type FreeGpus, NotFree, type TakenGpu } from './contract.ts';
import { keep, type ReadingsFeed } from './readings.ts';
import { conditionsOf } from './run-conditions.ts';

/** A GPU that shows more utilisation, in percent, is in use, whatever the driver says of processes. */
const mostUtilisation = 5;
/** Utilisation is that of the time before the reading: so long after our own work it says nothing. */
const utilisationLag = 2_000;
/** Longest wait for a reading of this moment, in milliseconds. */
const longestWait = 5_000;
/** Looks that may go without a reading before what was read last counts no more. */
const missedReadings = 3;
/** What a measurement is to find out, or may take away, does not stand against it. */
const measurable: ReadonlySet<string> = new Set(['PerformanceDegraded', 'Degraded']);

/** What {@link NodeGpus} needs. */
export interface NodeGpusOptions {
  readonly cache: Cache;
  readonly book: DeviceBook;
  readonly compute: Pick<ComputeDevices, 'of'>;
  readonly readings: ReadingsFeed;
  /** A device as it was seen last, by its uuid. */
  readonly view: (uuid: string) => Readonly<DeviceView> | undefined;
  /** Has a device read with every look, or as rarely as others again. */
  readonly watchClosely: (uuid: string, closely: boolean) => void;
  /** Whether a broker may sell GPUs: then one of which it has said nothing yet may be sold. */
  readonly hasBroker: boolean;
  readonly polarity: PolarityOverrides;
  /** Between two looks at a device, and between two readings of one that is not watched, in milliseconds. */
  readonly lookInterval: number;
  readonly readingInterval: number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** A GPU that somebody of the agent has taken, or is about to take. */
class Hold {
  readonly lost = new AbortController();
  /** Whether a process of ours may be on it. */
  isOurs = false;
  /** The device's uuid. */
  uuid = '';
}

/** The GPUs of one node. */
export class NodeGpus implements FreeGpus, CacheObserver {
  readonly #options: NodeGpusOptions;
  /** By the names of GPUs in lower case, as the next one. */
  readonly #holds = new Map<string, Hold>();
  /** When our work on a GPU ended, in milliseconds since the epoch. */
  readonly #ended = new Map<string, number>();
  #stopped = false;

  constructor(options: NodeGpusOptions) {
    this.#options = options;
    options.cache.observe(this);
    options.book.observeUse((name) => this.#check(name));
  }

  /** The names of all GPUs. */
  names(): string[] {
    return [...this.#options.cache.peek().entries()].map(({ gpu }) => gpu.name).sort();
  }

  /** How many are taken now. */
  get taken(): number {
    return [...this.#holds.values()].filter(({ isOurs }) => isOurs).length;
  }

  /** The device of a GPU as it was seen last. */
  view(gpu: string): Readonly<DeviceView> | undefined {
    const entry = this.#options.cache.peek().get(gpu);
    return entry && this.#options.view(entry.gpu.uuid);
  }

  /** Of the processes that a driver lists on a GPU, how many are ours: none or one. */
  ownProcesses(gpu: string): number {
    const readAt = this.view(gpu)?.readings?.timeMs ?? Infinity;
    return this.#holds.get(keyOf(gpu))?.isOurs || readAt <= this.#endedAt(gpu) ? 1 : 0;
  }

  async take(gpu: string): Promise<TakenGpu> {
    const key = keyOf(gpu);
    if (this.#holds.has(key)) throw new NotFree('busy', 'the agent itself computes on it already');
    const hold = new Hold();
    this.#holds.set(key, hold);
    try {
      const { device, info } = await this.#ask(gpu, hold);
      hold.isOurs = true;
      const watch = () => this.#watch(gpu);
      return { gpu, device, info, lost: hold.lost.signal, watch, release: () => this.#release(gpu, hold) };
    } catch (error) {
      this.#giveBack(gpu, hold);
      throw error;
    }
  }

  /** Why a GPU may not compute for the agent now; undefined where it may. */
  obstacle(gpu: string): NotFree | undefined {
    const view = this.view(gpu);
    return this.#withheld(gpu, view) ?? (view && this.#busy(gpu, view));
  }

  /** Nothing may be taken any more, and what is taken is lost. */
  stop(): void {
    this.#stopped = true;
    for (const gpu of this.#holds.keys()) this.#check(gpu);
  }

  changed({ entry }: Change): void {
    this.#check(entry.gpu.name);
  }

  /** A device is another one, or gone; {@link NodeGpusOptions.view} shows it so already. */
  deviceChanged({ uuid }: Pick<DeviceView, 'uuid'>): void {
    for (const [gpu, hold] of this.#holds) if (hold.uuid === uuid) this.#check(gpu);
  }

  async #ask(gpu: string, hold: Hold) {
    const { compute, readings, watchClosely, now, lookInterval } = this.#options;
    const view = this.view(gpu);
    const withheld = this.#withheld(gpu, view);
    if (withheld || !view) throw withheld;
    const { record } = view;
    hold.uuid = record.uuid;
    const found = await compute.of(record);
    watchClosely(record.uuid, true);
    // What was read some seconds ago says nothing of this moment.
    await readings.after(record.uuid, now(), Math.min(longestWait, 2 * lookInterval));
    const obstacle = this.obstacle(gpu);
    if (obstacle) throw obstacle;
    return found;
  }

  /** What stands against it whatever runs on it. */
  #withheld(gpu: string, view: Readonly<DeviceView> | undefined): NotFree | undefined {
    if (this.#stopped) return new NotFree('busy', 'the agent stops');
    const entry = this.#options.cache.peek().get(gpu);
    if (!entry || !view) return new NotFree('unhealthy', 'no driver shows this GPU');
    return notWhole(view) ?? this.#notWell(entry, view) ?? this.#held(entry);
  }

  #watch(gpu: string): () => RunConditions | undefined {
    const { readings, lookInterval, now } = this.#options;
    const view = this.view(gpu);
    if (!view) return () => undefined;
    const { record } = view;
    const from = now();
    const seen: DeviceReadings[] = view.readings ? [view.readings] : [];
    const unsubscribe = readings.subscribe(record.uuid, (one) => keep(seen, one));
    return () => {
      unsubscribe();
      return conditionsOf(seen, { from, to: now() }, 2 * lookInterval, record.powerLimits?.enforcedMilliwatts);
    };
  }

  #release(gpu: string, hold: Hold): void {
    if (this.#holds.get(keyOf(gpu)) !== hold) return;
    this.#ended.set(keyOf(gpu), this.#options.now());
    this.#giveBack(gpu, hold);
  }

  #giveBack(gpu: string, { uuid }: Hold): void {
    this.#holds.delete(keyOf(gpu));
    if (uuid !== '') this.#options.watchClosely(uuid, false);
  }

  #check(gpu: string): void {
    const hold = this.#holds.get(keyOf(gpu));
    // One that is only asked for is looked at again before it is given.
    if (!hold?.isOurs || hold.lost.signal.aborted) return;
    const obstacle = this.obstacle(gpu);
    if (obstacle) hold.lost.abort(obstacle);
  }

  #endedAt(gpu: string): number {
    return this.#ended.get(keyOf(gpu)) ?? -Infinity;
  }

  #notWell(entry: Entry, { state, message }: Readonly<DeviceView>): NotFree | undefined {
    if (state !== 'ok') return new NotFree('unhealthy', message || `its driver says: ${state}`);
    const { stale } = this.#options.book.device(entry);
    if (stale) return new NotFree('unhealthy', 'it has not been looked at since the agent started');
    const conditions = entry.gpu.conditions.filter(({ type }) => !measurable.has(type));
    const health = gpuHealth(conditions, this.#options.polarity);
    if (health === 'healthy') return undefined;
    const { type, reason, message: why } = healthCause(conditions, health) ?? { type: health, reason: '', message: '' };
    return new NotFree('unhealthy', [type, reason, why].filter((word) => word !== '').join(': '));
  }

  #held(entry: Entry): NotFree | undefined {
    const { leased, allocation } = this.#options.book.device(entry);
    if (leased) return new NotFree('held', 'it is sold');
    if (leased === undefined && this.#options.hasBroker) {
      return new NotFree('held', 'the broker has not said yet whether it is sold');
    }
    if (allocation?.unknown) return new NotFree('held', 'it is not known which pods hold it');
    const [holder] = allocation?.holders ?? [];
    return holder === undefined ? undefined : new NotFree('held', `pod ${holder} holds it`);
  }

  #busy(gpu: string, { readings, source }: Readonly<DeviceView>): NotFree | undefined {
    const { now, lookInterval, readingInterval } = this.#options;
    const isOurs = this.#holds.get(keyOf(gpu))?.isOurs ?? false;
    const oldest = now() - missedReadings * Math.max(lookInterval, readingInterval);
    if (!readings || (!isOurs && readings.timeMs < oldest)) {
      return new NotFree('unhealthy', 'its driver has not said lately how busy it is');
    }
    const { processes = [], utilizationPercent = 0, timeMs } = readings;
    const foreign = processes.filter(({ kind }) => kind === 'compute').length - this.ownProcesses(gpu);
    if (foreign > 0) return new NotFree('busy', `${foreign} foreign ${foreign === 1 ? 'process' : 'processes'} on it`);
    // What a simulated GPU shows of its load is invented.
    const isTold = source !== 'simulated' && !isOurs && timeMs > this.#endedAt(gpu) + utilisationLag;
    if (!isTold || utilizationPercent <= mostUtilisation) return undefined;
    return new NotFree('busy', `its utilisation is ${utilizationPercent} %`);
  }
}

/** Of a GPU that is divided, no library shows the whole; and what its instances do depends on their neighbours. */
function notWhole({ record }: Readonly<DeviceView>): NotFree | undefined {
  if (record.parent !== undefined) return new NotFree('unsupported', 'MIG instances are not measured');
  if (record.mig?.enabled) return new NotFree('unsupported', 'it is divided into MIG instances');
  return undefined;
}

function keyOf(gpu: string): string {
  return gpu.toLowerCase();
}
