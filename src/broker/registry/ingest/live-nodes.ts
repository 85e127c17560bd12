// What the broker keeps in memory of each connected node: small, for there are ten thousand and more.
import type { GpuHealth } from '../../../daemon/health.ts';
import type { NodeStatus } from '../../storage/schema.ts';
import type { Beat, NodeStanding } from './contract.ts';

/** A GPU that a node shows. */
export interface LiveGpu {
  readonly id: string;
  readonly health: GpuHealth;
  /** Hexadecimal. */
  readonly digest: string;
}

/** A node that is online, or was a moment ago. Times are milliseconds of the broker's clock. */
export interface LiveNode {
  readonly id: string;
  processId: string;
  /** As the database has it. */
  status: NodeStatus;
  lastBeat: number;
  /** The beat that the database knows of. */
  storedBeat: number;
  /** Why its stream ended, until it beats again. */
  leftBecause: string | undefined;
  /** Weighted mean, in microseconds: each beat counts a sixteenth. */
  roundTrip: number | undefined;
  /** How far its clock is ahead, in milliseconds. */
  skew: number | undefined;
  /** Whether that is too much; stays so until it is well below the limit. */
  skewed: boolean;
  /** Whether the incident about it is open. */
  skewReported: boolean;
  /** Telemetry that its spool dropped: what the node last said, and what the database has. */
  dropped: number;
  storedDropped: number;
  /** When the incident about it was last reported; undefined when none is open. */
  dropReportedAt: number | undefined;
  /** By name; absent until it has been read, and after a transaction that failed. */
  gpus: Map<string, LiveGpu> | undefined;
  /** Whether it has sent a snapshot since it joined. */
  snapshotSeen: boolean;
  /** The declared GPUs, as JSON, that its GPUs were last compared with. */
  comparedWith: string | undefined;
  /** What the listeners were told last. */
  standing: NodeStanding | undefined;
}

/** A clock that is further off than this is wrong, in milliseconds. */
export const skewLimit = 5_000;
/** One that was wrong is right again below this. */
export const skewCleared = 2_000;
/** Drops are reported at most so often, in milliseconds. */
export const dropReportInterval = 60_000;
/** After so long without a drop the incident is closed, in milliseconds. */
export const dropQuietTime = 10 * 60_000;

/** A node of which nothing is known yet. */
export function newLiveNode(id: string, lastBeat: number): LiveNode {
  return {
    id,
    processId: '',
    status: 'offline',
    lastBeat,
    storedBeat: Number.NEGATIVE_INFINITY,
    leftBecause: undefined,
    roundTrip: undefined,
    skew: undefined,
    skewed: false,
    skewReported: false,
    dropped: 0,
    storedDropped: 0,
    dropReportedAt: undefined,
    gpus: undefined,
    snapshotSeen: false,
    comparedWith: undefined,
    standing: undefined,
  };
}

/** Takes a beat; the next look at all nodes finds what the database must hear of it. */
export function takeBeat(node: LiveNode, beat: Beat): void {
  const at = beat.at.getTime();
  if (at > node.lastBeat) node.lastBeat = at;
  node.leftBecause = undefined;
  const { roundTripMicros, nodeTime } = beat;
  if (roundTripMicros !== undefined) {
    node.roundTrip =
      node.roundTrip === undefined ? roundTripMicros : node.roundTrip + (roundTripMicros - node.roundTrip) / 16;
  }
  if (nodeTime) takeClock(node, nodeTime.getTime() - at);
  const dropped = Number(beat.telemetryDropped);
  if (dropped > node.dropped) node.dropped = Math.min(dropped, Number.MAX_SAFE_INTEGER);
}

/** Takes how far a node's clock is ahead, in milliseconds. */
export function takeClock(node: LiveNode, skew: number): void {
  if (!Number.isFinite(skew)) return;
  node.skew = skew;
  const off = Math.abs(skew);
  if (off > skewLimit) node.skewed = true;
  else if (off < skewCleared) node.skewed = false;
}

/** Whether drops are to be told now. */
export function mustReportDrops(node: LiveNode, now: number): boolean {
  return (
    node.dropped > node.storedDropped && now - (node.dropReportedAt ?? Number.NEGATIVE_INFINITY) >= dropReportInterval
  );
}

/** Whether no telemetry has been dropped for so long that the incident is over. */
export function dropsAreOver(node: LiveNode, now: number): boolean {
  return (
    node.dropReportedAt !== undefined &&
    now - node.dropReportedAt >= dropQuietTime &&
    node.dropped <= node.storedDropped
  );
}
