// Asks the kubelet, again and again, which pods hold which devices.
//
//   unknown ──an answer──▶ known ──no answer for `knownFor`──▶ unknown
//
// The last answer holds for that time, because a kubelet that is being restarted gives no device to anybody. After it,
// and before the first answer, nobody knows who holds anything, and a device of which that is so must not be sold.
import { setTimeout as sleep } from 'node:timers/promises';
import { credentials } from '@grpc/grpc-js';
import { Backoff } from '../../daemon/backoff.ts';
import { messageOf } from '../../daemon/errors.ts';
import { unary } from '../../daemon/grpc-call.ts';
import type { Log } from '../../daemon/logger.ts';
import { PodResourcesListerClient } from '../../wire/kubelet/podresources/v1/api.ts';
import { type Allocations, readAllocations, unknownAllocations } from './allocations.ts';

export interface PodResourcesOptions {
  /** The path of the kubelet's socket. */
  readonly socket: string;
  readonly log: Log;
  /** How long an answer holds, in milliseconds. */
  readonly knownFor: number;
  /** Called after every answer, and when what was known is known no longer, with the reason. */
  readonly onChange: (reason: string) => void;
}

/** In milliseconds. */
const pollInterval = 2_000;
const callDeadline = 5_000;
const backoffBounds = { first: 1_000, longest: 10_000 };
/** An answer of more is refused: it is many times that of a full node. */
const answerBytes = 4 * 1024 * 1024;

/** The kubelet's word on who holds which device. */
export class PodResources {
  readonly #options: PodResourcesOptions;
  readonly #client: PodResourcesListerClient;
  readonly #stopping = new AbortController();
  readonly #backoff = new Backoff(backoffBounds, Math.random);
  #allocations = unknownAllocations;
  #answeredAt = Number.NEGATIVE_INFINITY;
  #reason = 'the kubelet has not answered yet';
  #running: Promise<void> | undefined;

  constructor(options: PodResourcesOptions) {
    this.#options = options;
    this.#client = new PodResourcesListerClient(`unix:${options.socket}`, credentials.createInsecure(), {
      'grpc.max_receive_message_length': answerBytes,
      'grpc.enable_retries': 0,
      // The back-off is this one's own.
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 1_000,
    });
  }

  /** Who holds a device. */
  get allocations(): Allocations {
    return this.#allocations;
  }

  /** Whether the kubelet has answered lately. */
  get isKnown(): boolean {
    return this.#allocations !== unknownAllocations;
  }

  /** Why the kubelet does not answer, for people; empty when it does. */
  get reason(): string {
    return this.#reason;
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#client.close();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const wait = await this.#ask();
      await sleep(wait, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Resolves with how long to wait. */
  async #ask(): Promise<number> {
    const { log, onChange } = this.#options;
    try {
      this.#allocations = readAllocations(await unary(this.#client, this.#client.list, {}, callDeadline));
      if (this.#reason !== '') log.info('the kubelet says which pods hold which devices');
      this.#answeredAt = performance.now();
      this.#reason = '';
      this.#backoff.reset();
      onChange('');
      return pollInterval;
    } catch (error) {
      if (!this.#stopping.signal.aborted) this.#fail(messageOf(error));
      return this.#backoff.next();
    }
  }

  #fail(reason: string): void {
    const { log, knownFor, onChange } = this.#options;
    if (reason !== this.#reason) log.warn({ reason }, 'the kubelet does not say which pods hold which devices');
    this.#reason = reason;
    if (performance.now() - this.#answeredAt > knownFor) this.#allocations = unknownAllocations;
    onChange(reason);
  }
}
