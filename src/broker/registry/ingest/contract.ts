// What the node link and the API ask of the ingest: the one writer of what nodes report.
import type { Change, NodeIdentity, Snapshot } from '../../../wire/gpubroker/node/v1/node_link.ts';

/** A node that has proved its key. */
export interface JoinedNode {
  readonly nodeId: string;
  readonly clusterId: string;
  readonly providerId: string;
  readonly identity: NodeIdentity;
  readonly spoolId: string;
  /** From where its stream comes. */
  readonly ipAddress: string;
  /** When its hello came, by the broker's clock. */
  readonly at: Date;
  /** The node's clock in its hello. */
  readonly nodeTime?: Date | undefined;
}

/** Where the broker stands with a node's spool, and what it lets the node do. */
export interface Resumption {
  readonly changeSequence: bigint;
  readonly telemetrySequence: bigint;
  readonly cordoned: boolean;
  readonly draining: boolean;
}

/** One heartbeat as the broker took it. */
export interface Beat {
  /** By the broker's clock. */
  readonly at: Date;
  /** By the node's. */
  readonly nodeTime?: Date | undefined;
  readonly roundTripMicros?: number | undefined;
  /** Rounds of telemetry dropped since the node's spool began. */
  readonly telemetryDropped: bigint;
}

/** What the broker lets a node do. */
export interface NodeStanding {
  readonly cordoned: boolean;
  readonly draining: boolean;
}

/** Hears that a node's standing was changed over HTTP. */
export type StandingListener = (nodeId: string, standing: NodeStanding | 'decommissioned') => void;

/** Stores what nodes report. Promises wait while the queue is full: who waits stops reading its stream. */
export interface Ingest {
  /**
   * Resolves once the node's row is stored.
   * @throws Refusal `not-found` for a node that is not registered, or was decommissioned; `unavailable` where the
   *   database stays away.
   */
  joined(node: JoinedNode): Promise<Resumption>;
  /** Memory only; written in batches. */
  beat(nodeId: string, beat: Beat): void;
  /**
   * Resolves once it is committed.
   * @throws Refusal `conflict` where the node's spool is another by now; `invalid` for what cannot be stored.
   */
  snapshot(nodeId: string, spoolId: string, snapshot: Snapshot): Promise<void>;
  /**
   * Resolves once they are committed; a change that is stored already is skipped. `gap`: changes are missing before
   * these, and nothing behind the gap was stored; the node must send a snapshot.
   * @throws Refusal as `snapshot` does.
   */
  changes(nodeId: string, spoolId: string, changes: readonly Change[]): Promise<'stored' | 'gap'>;
  /** The node's stream ended. It is offline when it has not come back within three heartbeats. */
  left(nodeId: string, processId: string, reason: string): void;
  /** Returns what ends it. */
  onStanding(listener: StandingListener): () => void;
}
