// The devices of this node as its daemon serves them: followed by one stream, and found again whenever that ends.
//
//   connecting ──the stream stands and all devices are listed──▶ following ──the stream ends──▶ waiting
//       ▲   └──────────────────────── a call fails ────────────────────────────────────────────▶  │
//       └───────────────────────────── the back-off is over ───────────────────────────────────────┘
//
// A stream has no versions and begins with every device, but does not say where that beginning ends. So the devices are
// listed once it stands: what the list lacks is gone, and what the stream has said by then is newer than the list.
//
// While nobody is followed, what was known stays true for `lostAfter`; then nothing is known any more.
import { setTimeout as sleep } from 'node:timers/promises';
import { type ClientReadableStream, credentials } from '@grpc/grpc-js';
import { Backoff } from '../daemon/backoff.ts';
import { messageOf } from '../daemon/errors.ts';
import { unary } from '../daemon/grpc-call.ts';
import type { Log } from '../daemon/logger.ts';
import {
  type Device,
  DeviceDetailsClient,
  WatchDevicesResponse_Type as EventType,
  type WatchDevicesResponse,
} from '../wire/gpubroker/device/v1/device_details.ts';

/** What is known of the devices. */
export type Knowledge =
  /** Nothing has been heard yet. */
  | 'none'
  /** They are as the daemon says now. */
  | 'current'
  /** They are as the daemon said a short time ago. */
  | 'recent'
  /** The daemon has been away for too long. */
  | 'lost';

export interface DeviceWatchOptions {
  /** The path of the daemon's socket. */
  readonly socket: string;
  /** In milliseconds. */
  readonly lostAfter: number;
  readonly log: Log;
  /** Called after every change of the devices or of what is known of them. */
  readonly onChange: () => void;
}

/** The longest waits for the list, and for the stream to stand, in milliseconds. */
const callDeadline = 5_000;
const backoffBounds = { first: 250, longest: 5_000 };
/** Notices within seconds that a daemon hangs, on whose socket nothing is ever lost. */
const channelOptions = { 'grpc.keepalive_time_ms': 5_000, 'grpc.keepalive_timeout_ms': 5_000 };

/** Follows the devices of one daemon. */
export class DeviceWatch {
  readonly #options: DeviceWatchOptions;
  readonly #client: DeviceDetailsClient;
  readonly #stopping = new AbortController();
  readonly #backoff = new Backoff(backoffBounds, Math.random);
  #devices = new Map<string, Device>();
  #knowledge: Knowledge = 'none';
  #reason = 'the device API has not answered yet';
  #losing: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;

  constructor(options: DeviceWatchOptions) {
    this.#options = options;
    this.#client = new DeviceDetailsClient(`unix:${options.socket}`, credentials.createInsecure(), channelOptions);
  }

  get knowledge(): Knowledge {
    return this.#knowledge;
  }

  /** Why nobody is followed, for people; empty while the daemon is followed. */
  get reason(): string {
    return this.#reason;
  }

  /** All devices, as they were last seen. */
  devices(): Device[] {
    return [...this.#devices.values()];
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    clearTimeout(this.#losing);
    await this.#running;
    this.#client.close();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const reason = await this.#follow();
      if (signal.aborted) return;
      this.#lose(reason);
      await sleep(this.#backoff.next(), undefined, { signal }).catch(() => undefined);
    }
  }

  /** Follows until the stream ends; resolves with the reason. */
  async #follow(): Promise<string> {
    const { signal } = this.#stopping;
    const stream = this.#client.watchDevices({});
    const cancel = () => stream.cancel();
    signal.addEventListener('abort', cancel, { once: true });
    const ended = new Promise<string>((resolve) => {
      stream.on('error', ({ message }) => resolve(message));
      stream.on('end', () => resolve('the daemon ended the stream'));
    });
    // What the stream has said before the list is there; undefined for what is gone.
    const said = new Map<string, Device | undefined>();
    let following = false;
    stream.on('data', (event: WatchDevicesResponse) => {
      if (following) this.#apply(event);
      else if (event.device) said.set(event.device.name, event.type === EventType.DELETED ? undefined : event.device);
    });
    try {
      await Promise.race([standing(stream), ended.then((reason) => Promise.reject(new Error(reason)))]);
      const { devices } = await unary(this.#client, this.#client.listDevices, {}, callDeadline);
      following = true;
      this.#begin(devices, said);
      return await ended;
    } catch (error) {
      return messageOf(error);
    } finally {
      signal.removeEventListener('abort', cancel);
      stream.cancel();
    }
  }

  #begin(listed: readonly Device[], said: ReadonlyMap<string, Device | undefined>): void {
    const found = new Map<string, Device>();
    for (const device of listed) found.set(device.name, device);
    for (const [name, device] of said) {
      if (device) found.set(name, device);
      else found.delete(name);
    }
    const before = this.#devices;
    this.#devices = new Map();
    for (const device of found.values()) this.#keep(device, before.get(device.name));
    clearTimeout(this.#losing);
    this.#losing = undefined;
    this.#backoff.reset();
    this.#knowledge = 'current';
    this.#reason = '';
    this.#options.log.info({ devices: this.#devices.size }, 'the device API is followed');
    this.#options.onChange();
  }

  #apply({ type, device }: WatchDevicesResponse): void {
    if (!device) return;
    if (type === EventType.DELETED) this.#devices.delete(device.name);
    else this.#keep(device, this.#devices.get(device.name));
    this.#options.onChange();
  }

  /** A daemon that has just started knows a device's health before it knows the device: the record from before stays. */
  #keep(device: Device, before: Device | undefined): void {
    const { name, uuid, health, stale } = device;
    const isEmpty = device.source === undefined && stale;
    this.#devices.set(name, isEmpty && before ? { ...before, uuid: before.uuid ?? uuid, health, stale } : device);
  }

  #lose(reason: string): void {
    const { log, lostAfter, onChange } = this.#options;
    if (this.#knowledge === 'current') {
      log.warn({ reason }, 'the device API is away');
      this.#knowledge = 'recent';
      this.#losing = setTimeout(() => {
        log.error({ reason: this.#reason }, 'the device API has been away for too long: every device is unhealthy');
        this.#knowledge = 'lost';
        onChange();
      }, lostAfter);
    }
    this.#reason = reason;
    onChange();
  }
}

/** Resolves when the daemon has taken the stream. */
function standing(stream: ClientReadableStream<WatchDevicesResponse>): Promise<void> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error('the device API does not answer')), callDeadline);
    const settle = (end: () => void) => () => {
      clearTimeout(late);
      end();
    };
    stream.once('metadata', settle(resolve));
    stream.once('error', settle(resolve));
    stream.once('end', settle(resolve));
  });
}
