// One batch while it is worked out: what each node it is about looked like, and what the batch makes of it.
import { notFound, Refusal } from '../../refusal.ts';
import type { JoinedNode, Resumption } from './contract.ts';
import type { ChangesEntry, IngestEntry, JoinEntry, SnapshotEntry } from './entries.ts';
import { type LiveNode, takeClock } from './live-nodes.ts';
import type { NodeVerdict } from './node-status.ts';
import { applyChanges, applySnapshot, beginDiff, type Complete, type GpuDiff, removeAll } from './snapshot-diff.ts';
import type { NodeRow } from './sql/load-nodes.ts';

/** A node in a batch. */
export interface NodeWork {
  /** As it was before; statements bring it up to date. */
  readonly before: NodeRow;
  readonly live: LiveNode;
  readonly diff: GpuDiff;
  /** The last join, where there is one. */
  joined: JoinedNode | undefined;
  spoolId: string;
  snapshotSeen: boolean;
  /** Set when all messages are applied. */
  verdict: NodeVerdict;
  /** Whether its clock is too far off. Like `dropped` fixed here, for beats come while the transaction runs. */
  clockWrong: boolean;
  /** How much telemetry its spool has dropped, as the database is to have it. */
  dropped: number;
}

/** What becomes of an entry once the batch is committed. */
export type Outcome = { readonly value: Resumption | 'stored' | 'gap' | undefined } | { readonly refusal: Refusal };

/** Begins the work on a node. */
export function beginWork(before: NodeRow, live: LiveNode): NodeWork {
  return {
    before,
    live,
    diff: beginDiff(live.gpus ?? new Map(), before.change_sequence),
    joined: undefined,
    spoolId: before.spool_id,
    snapshotSeen: live.snapshotSeen,
    verdict: { status: before.status, reason: before.status_reason },
    clockWrong: live.skewed,
    dropped: before.telemetry_dropped,
  };
}

/** Whether the node has another spool than the database knew. */
export function hasNewSpool(work: NodeWork): boolean {
  return work.spoolId !== work.before.spool_id;
}

/** Whether the node's GPUs come from a simulation. */
export function isSimulated({ joined, before }: NodeWork): boolean {
  return joined ? joined.identity.sources.includes('simulated') : before.simulated;
}

/** Applies an entry to the nodes that it is about. */
export function applyEntry(
  entry: IngestEntry,
  works: ReadonlyMap<string, NodeWork>,
  completeFor: (work: NodeWork) => Complete,
): Outcome {
  switch (entry.kind) {
    case 'join':
      return applyJoin(entry, works);
    case 'snapshot':
    case 'changes':
      return applyMessage(entry, works, completeFor);
    case 'review':
    case 'seen':
      return { value: undefined };
  }
}

/** A node that was decommissioned shows nothing any more. */
export function retire(work: NodeWork): void {
  if (work.before.decommissioned_at) removeAll(work.diff);
}

function applyJoin({ node }: JoinEntry, works: ReadonlyMap<string, NodeWork>): Outcome {
  const work = works.get(node.nodeId);
  if (!work || work.before.decommissioned_at) return { refusal: notFound('node', node.nodeId) };
  if (work.spoolId !== node.spoolId) {
    work.spoolId = node.spoolId;
    work.diff.changeSequence = 0;
  }
  work.joined = node;
  if (node.nodeTime) takeClock(work.live, node.nodeTime.getTime() - node.at.getTime());
  work.snapshotSeen = false;
  const { cordoned, draining, telemetry_sequence } = work.before;
  const changeSequence = BigInt(work.diff.changeSequence);
  const telemetrySequence = hasNewSpool(work) ? 0n : BigInt(telemetry_sequence);
  return { value: { changeSequence, telemetrySequence, cordoned, draining } };
}

function applyMessage(
  entry: SnapshotEntry | ChangesEntry,
  works: ReadonlyMap<string, NodeWork>,
  completeFor: (work: NodeWork) => Complete,
): Outcome {
  const work = works.get(entry.nodeId);
  if (!work || work.before.decommissioned_at) return { refusal: notFound('node', entry.nodeId) };
  if (work.spoolId !== entry.spoolId) {
    const message = `node ${entry.nodeId} has joined with another spool: this stream is not the latest`;
    return { refusal: new Refusal('conflict', 'GPUB_SPOOL_REPLACED', message) };
  }
  const complete = completeFor(work);
  if (entry.kind === 'changes') return { value: applyChanges(work.diff, entry, complete) };
  applySnapshot(work.diff, entry, complete);
  work.snapshotSeen = true;
  return { value: undefined };
}
