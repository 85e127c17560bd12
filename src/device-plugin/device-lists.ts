// The streams on which the kubelet hears of all devices: the latest list, at once, to each that takes it.
import { type ServerWritableStream, status } from '@grpc/grpc-js';
import { type Device, type Empty, ListAndWatchResponse } from '../wire/kubelet/deviceplugin/v1beta1/api.ts';
import type { Offer } from './offers.ts';

type Stream = ServerWritableStream<Empty, ListAndWatchResponse>;

/** Streams of one resource. One that reads slowly misses what was between, but never the latest list. */
export class DeviceLists {
  readonly #most: number;
  /** What each stream was sent last; undefined for nothing yet. */
  readonly #sent = new Map<Stream, string | undefined>();
  /** Streams that take nothing more for now. */
  readonly #full = new Set<Stream>();
  #list: ListAndWatchResponse = { devices: [] };
  #key = keyOf(this.#list);

  /** @param most streams beyond these are refused */
  constructor(most: number) {
    this.#most = most;
  }

  get size(): number {
    return this.#sent.size;
  }

  /** Sends the list where it differs from what was sent. */
  show(offers: readonly Offer[]): void {
    this.#list = { devices: offers.map(toDevice) };
    this.#key = keyOf(this.#list);
    for (const stream of this.#sent.keys()) this.#send(stream);
  }

  /** The handler of ListAndWatch. */
  readonly follow = (stream: Stream): void => {
    if (this.#sent.size >= this.#most) {
      stream.emit('error', { code: status.RESOURCE_EXHAUSTED, details: `${this.#most} streams are open` });
      return;
    }
    this.#sent.set(stream, undefined);
    const forget = () => {
      this.#sent.delete(stream);
      this.#full.delete(stream);
    };
    for (const event of ['cancelled', 'close', 'error']) stream.on(event, forget);
    stream.on('drain', () => {
      this.#full.delete(stream);
      this.#send(stream);
    });
    this.#send(stream);
  };

  endAll(): void {
    for (const stream of this.#sent.keys()) stream.end();
    this.#sent.clear();
    this.#full.clear();
  }

  #send(stream: Stream): void {
    if (this.#full.has(stream) || this.#sent.get(stream) === this.#key) return;
    this.#sent.set(stream, this.#key);
    if (!stream.write(this.#list)) this.#full.add(stream);
  }
}

function toDevice({ id, device, unusable }: Offer): Device {
  const { numaNode } = device;
  return {
    ID: id,
    health: unusable === '' ? 'Healthy' : 'Unhealthy',
    topology: numaNode === undefined ? undefined : { nodes: [{ ID: BigInt(numaNode) }] },
  };
}

function keyOf(list: ListAndWatchResponse): string {
  return Buffer.from(ListAndWatchResponse.encode(list).finish()).toString('latin1');
}
