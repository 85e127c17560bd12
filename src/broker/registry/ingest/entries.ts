// What waits to be written: one entry a message of a node, read and checked when it came.
import type { Change, Snapshot } from '../../../wire/gpubroker/node/v1/node_link.ts';
import { invalid } from '../../refusal.ts';
import type { JoinedNode } from './contract.ts';
import { type GpuRecord, gpuName, gpuRecord } from './gpu-record.ts';

/** A node joined. */
export interface JoinEntry {
  readonly kind: 'join';
  readonly node: JoinedNode;
}

/** A node sent all its GPUs. */
export interface SnapshotEntry {
  readonly kind: 'snapshot';
  readonly nodeId: string;
  readonly spoolId: string;
  readonly sequence: number;
  readonly records: readonly GpuRecord[];
}

/** A node sent changes. */
export interface ChangesEntry {
  readonly kind: 'changes';
  readonly nodeId: string;
  readonly spoolId: string;
  readonly changes: readonly ReadChange[];
}

/** One change: a record, or the name of a GPU that is gone. */
export interface ReadChange {
  readonly sequence: number;
  readonly change: GpuRecord | string;
}

/** Nodes whose status or standing may be another now. */
export interface ReviewEntry {
  readonly kind: 'review';
  readonly nodeIds: readonly string[];
}

/** Write down what beats said since the last time. */
export interface SeenEntry {
  readonly kind: 'seen';
}

export type IngestEntry = JoinEntry | SnapshotEntry | ChangesEntry | ReviewEntry | SeenEntry;

/** GPUs of one node, MIG instances included: as many as its own cache holds. */
const maxGpus = 1024;

/** @throws Refusal `invalid` for what cannot be stored. */
export function snapshotEntry(nodeId: string, spoolId: string, snapshot: Snapshot): SnapshotEntry {
  const { gpus } = snapshot;
  if (gpus.length > maxGpus) throw invalid('snapshot.gpus', gpus.length, `at most ${maxGpus} GPUs`);
  const records = gpus.map((gpu, place) => gpuRecord(gpu, `snapshot.gpus[${place}]`));
  const names = new Set(records.map(({ columns }) => columns.name));
  if (names.size < records.length) throw invalid('snapshot.gpus', records.length, 'every name once');
  return { kind: 'snapshot', nodeId, spoolId, sequence: readSequence(snapshot.sequence, 'snapshot.sequence'), records };
}

/** @throws Refusal `invalid` for what cannot be stored. */
export function changesEntry(nodeId: string, spoolId: string, changes: readonly Change[]): ChangesEntry {
  const read = changes.map(({ sequence, changed, removed }, place): ReadChange => {
    const field = `changes[${place}]`;
    const change = changed ? gpuRecord(changed, `${field}.changed`) : gpuName(removed ?? '', `${field}.removed`);
    return { sequence: readSequence(sequence, `${field}.sequence`), change };
  });
  return { kind: 'changes', nodeId, spoolId, changes: read };
}

/** The nodes that an entry is about. */
export function nodesOf(entry: IngestEntry): readonly string[] {
  switch (entry.kind) {
    case 'join':
      return [entry.node.nodeId];
    case 'snapshot':
    case 'changes':
      return [entry.nodeId];
    case 'review':
      return entry.nodeIds;
    case 'seen':
      return [];
  }
}

/** Roughly, in bytes. */
export function sizeOf(entry: IngestEntry): number {
  switch (entry.kind) {
    case 'snapshot':
      return entry.records.reduce((sum, { fingerprint }) => sum + fingerprint.length, 0);
    case 'changes':
      return entry.changes.reduce(
        (sum, { change }) => sum + (typeof change === 'string' ? 64 : change.fingerprint.length),
        0,
      );
    default:
      return 256;
  }
}

function readSequence(sequence: bigint, field: string): number {
  if (sequence >= 0n && sequence <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(sequence);
  throw invalid(field, sequence.toString(), `a whole number up to ${Number.MAX_SAFE_INTEGER}`);
}
