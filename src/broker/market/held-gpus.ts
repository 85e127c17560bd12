// Tells each node which of its GPUs trades hold, so that it gives them to nobody else: once a trade is durable, once its
// hold has ended, and when the node connects. What is told is read anew, all of a node each time, by one loop: so an older
// word never follows a newer one, and what waits is at most one entry a node.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pipeline } from '../commit/contract.ts';
import { heldByNode } from '../registry/holds.ts';
import type { Database } from '../storage/database.ts';

export interface HeldGpusOptions {
  readonly db: Database;
  readonly pipeline: Pick<Pipeline, 'onCommitted'>;
  /** Says it to the node, where it is connected. */
  readonly tell: (nodeId: string, gpus: readonly string[]) => void;
  readonly log: { warn(details: object, message: string): void };
}

/** A loop that runs. */
export interface HeldGpus {
  /** Tells the node, for instance because it has connected. */
  tell(nodeId: string): void;
  stop(): Promise<void>;
}

const nodesAtOnce = 200;
/** Milliseconds. */
const firstRetry = 50;
const longestRetry = 5_000;

/** Starts it. */
export function tellHeldGpus(options: HeldGpusOptions): HeldGpus {
  return new Teller(options);
}

class Teller implements HeldGpus {
  readonly #options: HeldGpusOptions;
  readonly #nodes = new Set<string>();
  readonly #stopping = new AbortController();
  readonly #unlisten: () => void;
  readonly #ended: Promise<void>;
  #wake = () => {};

  constructor(options: HeldGpusOptions) {
    this.#options = options;
    this.#unlisten = options.pipeline.onCommitted(({ events }) => {
      for (const event of events) {
        const isAbout = event.type === 'trade' || (event.type === 'trade-changed' && event.cause === 'ended');
        if (isAbout) this.tell(event.trade.nodeId);
      }
    });
    this.#ended = this.#run();
  }

  tell(nodeId: string): void {
    this.#nodes.add(nodeId);
    this.#wake();
  }

  async stop(): Promise<void> {
    this.#unlisten();
    this.#stopping.abort();
    this.#wake();
    await this.#ended;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    for (let failures = 0; !signal.aborted; ) {
      if (this.#nodes.size === 0) await new Promise<void>((resolve) => (this.#wake = resolve));
      try {
        await this.#tellSome([...this.#nodes].slice(0, nodesAtOnce));
        failures = 0;
      } catch (error) {
        const retryMs = Math.min(firstRetry * 2 ** failures++, longestRetry);
        const details = { err: error, nodes: this.#nodes.size, retryMs };
        this.#options.log.warn(details, 'nodes could not be told which of their GPUs are held: trying again');
        await sleep(retryMs, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  /** A trade that comes while it is looked makes its node wait again. */
  async #tellSome(nodeIds: readonly string[]): Promise<void> {
    if (nodeIds.length === 0) return;
    for (const id of nodeIds) this.#nodes.delete(id);
    try {
      for (const [nodeId, gpus] of await heldByNode(this.#options.db, nodeIds)) this.#options.tell(nodeId, gpus);
    } catch (error) {
      for (const id of nodeIds) this.#nodes.add(id);
      throw error;
    }
  }
}
