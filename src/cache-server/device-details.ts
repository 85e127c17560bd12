// DeviceDetails: the hardware record beside every GPU of the cache, and the watches of it.
import { status } from '@grpc/grpc-js';
import { gpuHealth, type PolarityOverrides } from '../daemon/health.ts';
import {
  Device,
  DeviceDetailsService,
  WatchDevicesResponse_Type as EventType,
  type GetDeviceRequest,
  GetDeviceResponse,
  ListDevicesResponse,
  WatchDevicesResponse,
} from '../wire/gpubroker/device/v1/device_details.ts';
import {
  type Cache,
  type CacheObserver,
  type CacheView,
  type Change,
  type Entry,
  keyOf,
  type Written,
} from './cache.ts';
import { toFrame } from './encoding.ts';
import { CacheError } from './errors.ts';
import { isStale } from './gpu.ts';
import { encoded, type RpcContext, serverStream, unary } from './rpc.ts';
import { WatchStreams } from './watch-streams.ts';
import { readName, type Write } from './write.ts';

export const deviceDetailsName = 'gpubroker.device.v1.DeviceDetails';
/** The methods of DeviceDetails with answers that are bytes already. */
export const deviceDetailsDefinition = encoded(DeviceDetailsService);

/** What the agent knows of a device; the rest is the cache's to say. */
export type DeviceRecord = Omit<Device, 'name' | 'stale' | 'health'>;

/** What others than its driver say of a device: who holds it. */
export type DeviceUse = Partial<Pick<Device, 'allocation' | 'leased'>>;

/** The records of all devices. A GPU without one is shown with its name alone. */
export class DeviceBook implements CacheObserver {
  readonly streams: WatchStreams;
  readonly #cache: Cache;
  readonly #records = new Map<string, DeviceRecord>();
  readonly #polarity: PolarityOverrides;
  readonly #uses: ((device: Device) => DeviceUse)[] = [];
  readonly #useListeners = new Set<(name: string) => void>();
  /** What of each GPU's conditions and use its watchers were told. */
  readonly #told = new Map<string, string>();

  constructor(cache: Cache, queueSize: number, polarity: PolarityOverrides) {
    this.#cache = cache;
    this.#polarity = polarity;
    this.streams = new WatchStreams(queueSize, { streamOpened: () => undefined, streamClosed: () => undefined });
    for (const entry of cache.peek().entries()) this.#told.set(keyOf(entry.gpu.name), this.#summary(entry));
    cache.observe(this);
  }

  /**
   * Sets the record of a device; watchers see it once the GPU is in the cache.
   *
   * @throws Error when a value does not fit its field: it must be found here, not while a client is answered
   */
  set(name: string, record: DeviceRecord): void {
    Device.encode({ ...record, name, stale: false, health: '' });
    this.#records.set(keyOf(name), record);
    this.#cache.read((view) => {
      const entry = view.get(name);
      if (entry) this.#announce(EventType.MODIFIED, entry);
    });
  }

  /** Adds somebody who says who holds devices; `useChanged` is to be called whenever that may be another. */
  addUse(use: (device: Device) => DeviceUse): void {
    this.#uses.push(use);
    this.useChanged();
  }

  /** Looks who holds each device; watchers hear of those where it is another. */
  useChanged(): void {
    this.#cache.read((view) => {
      for (const entry of view.entries()) {
        if (!this.#isNews(entry)) continue;
        this.#announce(EventType.MODIFIED, entry);
        for (const listener of this.#useListeners) listener(entry.gpu.name);
      }
    });
  }

  /** Calls the listener with the name of every GPU that is held by others than before. */
  observeUse(listener: (name: string) => void): void {
    this.#useListeners.add(listener);
  }

  changed({ type, entry }: Change): void {
    const key = keyOf(entry.gpu.name);
    if (type === 'MODIFIED') return;
    this.#announce(EventType[type], entry);
    if (type === 'ADDED') {
      this.#told.set(key, this.#summary(entry));
    } else {
      this.#told.delete(key);
      this.#records.delete(key);
    }
  }

  written(_write: Write, { entry, change }: Written): void {
    if (change === 'DELETED') return;
    if (this.#isNews(entry)) this.#announce(EventType.MODIFIED, entry);
  }

  device({ gpu }: Entry): Device {
    const record = this.#records.get(keyOf(gpu.name)) ?? Device.create();
    const health = gpuHealth(gpu.conditions, this.#polarity);
    const device = { ...record, uuid: record.uuid || gpu.uuid, name: gpu.name, stale: isStale(gpu), health };
    return Object.assign(device, ...this.#uses.map((use) => use(device)));
  }

  /** All devices, ordered by name. */
  devices(view: CacheView): Device[] {
    return [...view.entries()].map((entry) => this.device(entry)).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Whether watchers were told something else; from now on they were told this. */
  #isNews(entry: Entry): boolean {
    const key = keyOf(entry.gpu.name);
    const summary = this.#summary(entry);
    if (this.#told.get(key) === summary) return false;
    this.#told.set(key, summary);
    return true;
  }

  #summary(entry: Entry): string {
    const { health, stale, allocation, leased } = this.device(entry);
    return JSON.stringify([health, stale, allocation, leased]);
  }

  #announce(type: EventType, entry: Entry): void {
    if (this.streams.size > 0) this.streams.offer(encodeEvent(type, this.device(entry)));
  }
}

/** The handlers of one server. */
export function createDeviceDetails(cache: Cache, book: DeviceBook, context: RpcContext) {
  return {
    listDevices: unary(context, deviceDetailsName, 'ListDevices', (_request, _call, answer) => {
      cache.read((view) => answer(toFrame(ListDevicesResponse.encode({ devices: book.devices(view) }))));
    }),
    getDevice: unary<GetDeviceRequest>(context, deviceDetailsName, 'GetDevice', ({ name }, _call, answer, refuse) => {
      readName(name, 'name');
      cache.read((view) => {
        const entry = view.get(name);
        if (entry) answer(toFrame(GetDeviceResponse.encode({ device: book.device(entry) })));
        else refuse(new CacheError('not-found', `no GPU is named ${JSON.stringify(name)}`));
      });
    }),
    watchDevices: serverStream(context, deviceDetailsName, 'WatchDevices', (_request, call, refuse, ended) => {
      cache.read((view) => {
        if (call.cancelled) return ended(status.CANCELLED);
        try {
          const first = book.devices(view).map((device) => encodeEvent(EventType.ADDED, device));
          book.streams.begin(call, first, ended);
        } catch (error) {
          refuse(error);
        }
      });
    }),
  };
}

function encodeEvent(type: EventType, device: Device): Buffer {
  return toFrame(WatchDevicesResponse.encode({ type, device }));
}
