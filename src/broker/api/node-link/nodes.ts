// The nodes that are connected, each with its one stream; and what the rest of the broker asks of them.
import type { ChallengeResult } from '../../../wire/gpubroker/node/v1/node_link.ts';
import { newId } from '../../ids.ts';
import { Refusal } from '../../refusal.ts';
import type { NodeStanding } from '../../registry/ingest/contract.ts';
import type { NodeStream } from './stream.ts';

/** Work for GPUs that proves what they are. */
export interface ChallengeWork {
  /** For instance `proof-of-gpu/1`. */
  readonly kind: string;
  /** Names of GPUs of the node. */
  readonly gpus: readonly string[];
  readonly payload: Uint8Array;
}

/** What the rest of the broker asks of nodes. */
export interface NodeLinks {
  /** How many are connected. */
  readonly count: number;
  /** Whether the node's stream is open, and it was heard of in the last two heartbeats. */
  isLive(nodeId: string): boolean;
  /**
   * Sends a challenge and waits for its answer, which may be that the node refuses it.
   * @throws Refusal `GPUB_NODE_OFFLINE`, `GPUB_NODE_SILENT` at the deadline, `GPUB_NODE_BUSY`, or why the stream ended
   */
  challenge(nodeId: string, work: ChallengeWork, deadline: Date): Promise<ChallengeResult>;
  /**
   * Asks for a snapshot; resolves when it is committed.
   * @throws Refusal as `challenge` does
   */
  pullInventory(nodeId: string, deadline: Date): Promise<void>;
  /** Tells the node where it stands; false where it is not connected. */
  setStanding(nodeId: string, standing: NodeStanding): boolean;
  /** Tells the node which of its GPUs trades hold, by name; false where it is not connected. */
  tellHeld(nodeId: string, gpus: readonly string[]): boolean;
  /** Sends the node away for good: PERMISSION_DENIED with this reason. False where it is not connected. */
  disconnect(nodeId: string, reason: string): boolean;
}

export class ConnectedNodes implements NodeLinks {
  readonly #now: () => Date;
  readonly #nodes = new Map<string, NodeStream>();
  /** Of strangers, of nodes, and of those that have ended and are not closed yet. */
  readonly #streams = new Set<NodeStream>();

  constructor(now: () => Date) {
    this.#now = now;
  }

  get count(): number {
    return this.#nodes.size;
  }

  get streams(): ReadonlySet<NodeStream> {
    return this.#streams;
  }

  opened(stream: NodeStream): void {
    this.#streams.add(stream);
  }

  closed(stream: NodeStream): void {
    this.#streams.delete(stream);
  }

  /**
   * Makes the stream that of its node. An older one of the same boot, or one that is not alive, ends.
   *
   * @returns the stream that keeps the place, where it is alive and of another machine or boot
   */
  claim(nodeId: string, stream: NodeStream): NodeStream | undefined {
    const other = this.#nodes.get(nodeId);
    if (other?.isLive(this.#now().getTime()) && !other.isSameBoot(stream)) return other;
    other?.end(new Refusal('conflict', 'GPUB_STREAM_REPLACED', 'another stream of this node has taken over'));
    this.#nodes.set(nodeId, stream);
    return undefined;
  }

  /** Whether a stream has the node's place. */
  has(nodeId: string): boolean {
    return this.#nodes.has(nodeId);
  }

  /** The stream is its node's no more, if it was. */
  release(nodeId: string, stream: NodeStream): void {
    if (this.#nodes.get(nodeId) === stream) this.#nodes.delete(nodeId);
  }

  end(nodeId: string, why: Refusal): boolean {
    const stream = this.#nodes.get(nodeId);
    stream?.end(why);
    return stream !== undefined;
  }

  isLive(nodeId: string): boolean {
    return this.#nodes.get(nodeId)?.isLive(this.#now().getTime()) ?? false;
  }

  async challenge(nodeId: string, work: ChallengeWork, deadline: Date): Promise<ChallengeResult> {
    return this.#open(nodeId).challenge(newId(), work, deadline);
  }

  async pullInventory(nodeId: string, deadline: Date): Promise<void> {
    return this.#open(nodeId).pullInventory(newId(), deadline);
  }

  setStanding(nodeId: string, { cordoned, draining }: NodeStanding): boolean {
    const stream = this.#nodes.get(nodeId);
    return stream?.send({ standing: { cordoned, draining } }) ?? false;
  }

  tellHeld(nodeId: string, gpus: readonly string[]): boolean {
    return this.#nodes.get(nodeId)?.tellHeld(gpus) ?? false;
  }

  disconnect(nodeId: string, reason: string): boolean {
    return this.end(nodeId, new Refusal('forbidden', 'GPUB_NODE_DISMISSED', reason));
  }

  #open(nodeId: string): NodeStream {
    const stream = this.#nodes.get(nodeId);
    if (stream?.isOpen) return stream;
    throw new Refusal('unavailable', 'GPUB_NODE_OFFLINE', `the node ${nodeId} is not connected`);
  }
}
