// `gpubroker gpus watch`: a line for every change, across restarts of the daemon.
//
// Lists, then watches from the list's version. A stream that ends is resumed after the last version seen; if the
// daemon no longer keeps the events since then, all is listed again and the differences are shown as events.
import { setTimeout as sleep } from 'node:timers/promises';
import { type ServiceError, status } from '@grpc/grpc-js';
import { formatDuration } from '../daemon/duration.ts';
import { messageOf } from '../daemon/errors.ts';
import type { Gpu, WatchGpusResponse } from '../wire/nvidia/device/v1alpha1/gpu.ts';
import { reasonOf, viewGpu } from './gpu-view.ts';
import { isServiceError, type NodeClient } from './node-client.ts';
import { formatHealth, oneLine, print, printJsonLine, remark } from './output.ts';

/** Milliseconds between attempts: doubled after each that brought nothing. */
const firstPause = 250;
const longestPause = 8000;

/** A change as it is printed. */
interface Change {
  readonly type: string;
  readonly gpu: Gpu;
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
    const problem = await follower.follow(stop);
    if (stop.aborted) return;
    if (Date.now() - began > longestPause) pause = firstPause;
    if (problem?.code === status.OUT_OF_RANGE && (await listed(follower))) continue;
    const reason = problem ? client.explain(problem).message : 'the daemon closed the watch';
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
  #known = new Map<string, Gpu>();
  /** Everything up to this version has been shown. */
  #version = '';

  constructor(client: NodeClient, show: (change: Change) => void) {
    this.#client = client;
    this.#show = show;
  }

  /** Shows how the list differs from what is known. */
  async list(): Promise<void> {
    const { metadata, items } = await this.#client.listGpus();
    const listed = new Map(items.map((gpu) => [nameOf(gpu), gpu]));
    for (const [name, gpu] of this.#known) if (!listed.has(name)) this.#show({ type: 'DELETED', gpu });
    for (const [name, gpu] of listed) {
      const before = this.#known.get(name);
      if (!before) this.#show({ type: 'ADDED', gpu });
      else if (before.resourceVersion !== gpu.resourceVersion) this.#show({ type: 'MODIFIED', gpu });
    }
    this.#known = listed;
    this.#version = metadata?.resourceVersion ?? '';
  }

  /** Shows events until the stream ends; returns why, or undefined if the daemon simply closed it. */
  async follow(stop: AbortSignal): Promise<ServiceError | undefined> {
    const stream = this.#client.watchGpus(this.#version);
    const cancel = () => stream.cancel();
    stop.addEventListener('abort', cancel, { once: true });
    try {
      for await (const event of stream) this.#accept(event);
      return undefined;
    } catch (error) {
      if (isServiceError(error)) return error;
      throw error;
    } finally {
      stop.removeEventListener('abort', cancel);
    }
  }

  #accept({ type, object: gpu }: WatchGpusResponse): void {
    if (!gpu || type === 'ERROR') return;
    if (type === 'DELETED') this.#known.delete(nameOf(gpu));
    else this.#known.set(nameOf(gpu), gpu);
    this.#version = String(gpu.resourceVersion || gpu.metadata?.resourceVersion || this.#version);
    this.#show({ type, gpu });
  }
}

function printChange({ type, gpu }: Change): void {
  const view = viewGpu(gpu);
  const reason = reasonOf(view);
  const words = [new Date().toISOString(), type.padEnd(8), view.name, formatHealth(view.health), reason];
  print(oneLine(words.filter(Boolean).join('  ')));
}

function printJsonChange({ type, gpu }: Change): void {
  printJsonLine({ time: new Date().toISOString(), type, gpu: viewGpu(gpu) });
}

function nameOf(gpu: Gpu): string {
  return gpu.metadata?.name ?? '';
}
