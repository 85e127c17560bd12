// `gpubroker gpus watch`: a line for every change, across restarts of the daemon.
//
// Lists, then watches from the list's version. A stream that ends is resumed after the last version seen; if the
// daemon no longer keeps the events since then, all is listed again and the differences are shown as events.
import { setTimeout as sleep } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { formatDuration } from '../daemon/duration.ts';
import { CodedError, messageOf } from '../daemon/errors.ts';
import { isServiceError } from '../daemon/grpc-call.ts';
import type { Gpu, WatchGpusResponse } from '../wire/nvidia/device/v1alpha1/gpu.ts';
import { type GpuView, listGpuViews, reasonOf, viewGpu } from './gpu-view.ts';
import type { NodeClient } from './node-client.ts';
import { formatHealth, oneLine, print, printJsonLine, remark } from './output.ts';

/** Milliseconds between attempts: doubled after each that brought nothing. */
const firstPause = 250;
const longestPause = 8000;

/** A change as it is printed; the health is the daemon's own judgement, as in `gpus list`. */
interface Change {
  readonly type: string;
  readonly gpu: GpuView;
}

/** Why a stream ended. */
interface Ending {
  readonly reason: string;
  /** Whether the daemon no longer keeps the events since the version that was asked for. */
  readonly historyGone: boolean;
}

/**
 * Watches until `stop` is aborted.
 * @throws CodedError if the daemon cannot be reached to begin with.
 */
export async function watchGpus(client: NodeClient, json: boolean, stop: AbortSignal): Promise<void> {
  const follower = new Follower(client, json ? printJsonChange : printChange);
  await follower.list();
  let pause = firstPause;
  while (!stop.aborted) {
    const began = Date.now();
    const { reason, historyGone } = await follower.follow(stop);
    if (stop.aborted) return;
    if (Date.now() - began > longestPause) pause = firstPause;
    if (historyGone && (await listed(follower))) continue;
    remark(`${reason}; trying again in ${formatDuration(pause)}`);
    await sleep(pause, undefined, { signal: stop }).catch(() => {});
    pause = Math.min(pause * 2, longestPause);
  }
}

async function listed(follower: Follower): Promise<boolean> {
  try {
    await follower.list();
    return true;
  } catch (error) {
    remark(messageOf(error));
    return false;
  }
}

/** Knows what has been shown, and so what is new. */
class Follower {
  readonly #client: NodeClient;
  readonly #show: (change: Change) => void;
  #known = new Map<string, GpuView>();
  /** Everything up to this version has been shown. */
  #version = '';

  constructor(client: NodeClient, show: (change: Change) => void) {
    this.#client = client;
    this.#show = show;
  }

  /** Shows how the list differs from what is known. */
  async list(): Promise<void> {
    const { resourceVersion, gpus } = await listGpuViews(this.#client);
    const listed = new Map(gpus.map((gpu) => [gpu.name, withoutDevice(gpu)]));
    for (const [name, gpu] of this.#known) if (!listed.has(name)) this.#show({ type: 'DELETED', gpu });
    for (const [name, gpu] of listed) {
      const before = this.#known.get(name);
      if (!before) this.#show({ type: 'ADDED', gpu });
      else if (before.resourceVersion !== gpu.resourceVersion) this.#show({ type: 'MODIFIED', gpu });
    }
    this.#known = listed;
    this.#version = String(resourceVersion);
  }

  /** Shows events until the stream ends; returns why it did. */
  async follow(stop: AbortSignal): Promise<Ending> {
    const stream = this.#client.watchGpus(this.#version);
    const cancel = () => stream.cancel();
    stop.addEventListener('abort', cancel, { once: true });
    try {
      for await (const event of stream) await this.#accept(event);
      return { reason: 'the daemon closed the watch', historyGone: false };
    } catch (error) {
      // A call for an event's device: what was not shown comes again, for the version is that of the event before.
      if (error instanceof CodedError) return { reason: error.message, historyGone: false };
      if (!isServiceError(error)) throw error;
      return { reason: this.#client.explain(error).message, historyGone: error.code === status.OUT_OF_RANGE };
    } finally {
      stop.removeEventListener('abort', cancel);
    }
  }

  async #accept({ type, object }: WatchGpusResponse): Promise<void> {
    if (!object || type === 'ERROR') return;
    const gpu = type === 'DELETED' ? this.#lastOf(object) : await this.#judged(object);
    if (type === 'DELETED') this.#known.delete(gpu.name);
    else this.#known.set(gpu.name, gpu);
    this.#version = String(viewGpu(object).resourceVersion || this.#version);
    this.#show({ type, gpu });
  }

  /** Only the daemon knows its polarities: its record of the device has the health. */
  async #judged(gpu: Gpu): Promise<GpuView> {
    return withoutDevice(viewGpu(gpu, await this.#client.getDevice(viewGpu(gpu).name)));
  }

  /** A GPU that is gone has no record any more: its health is what it was. */
  #lastOf(gpu: Gpu): GpuView {
    const view = viewGpu(gpu);
    const known = this.#known.get(view.name);
    return known ? { ...known, resourceVersion: view.resourceVersion } : view;
  }
}

/** The record of the device has readings that are old by the next change. */
function withoutDevice({ device: _record, ...view }: GpuView): GpuView {
  return view;
}

function printChange({ type, gpu }: Change): void {
  const words = [new Date().toISOString(), type.padEnd(8), gpu.name, formatHealth(gpu.health), reasonOf(gpu)];
  print(oneLine(words.filter(Boolean).join('  ')));
}

function printJsonChange({ type, gpu }: Change): void {
  printJsonLine({ time: new Date().toISOString(), type, gpu });
}
