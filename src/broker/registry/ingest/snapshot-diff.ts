// What a node's messages change about its GPUs: pure, on a copy that becomes the truth when the transaction is committed.

import type { ChangesEntry, SnapshotEntry } from './entries.ts';
import type { ClassifiedGpu, GpuRecord } from './gpu-record.ts';
import type { LiveGpu } from './live-nodes.ts';

/** One thing that happened to a GPU, in order. */
export type GpuStep =
  | { readonly kind: 'added' | 'changed'; readonly name: string; readonly gpu: ClassifiedGpu }
  | { readonly kind: 'removed'; readonly name: string };

/** The GPUs of a node while messages are applied to them. */
export interface GpuDiff {
  readonly before: ReadonlyMap<string, LiveGpu>;
  /** What is shown now: digests by name. */
  readonly shown: Map<string, string>;
  readonly steps: GpuStep[];
  /** What to write, the latest of each name; also of those that were removed again. */
  readonly written: Map<string, ClassifiedGpu>;
  changeSequence: number;
}

/** Adds what the broker knows to a record. */
export type Complete = (record: GpuRecord) => ClassifiedGpu;

export function beginDiff(before: ReadonlyMap<string, LiveGpu>, changeSequence: number): GpuDiff {
  const shown = new Map<string, string>();
  for (const [name, { digest }] of before) shown.set(name, digest);
  return { before, shown, steps: [], written: new Map(), changeSequence };
}

/** A snapshot from before what is stored tells nothing: it is left out. */
export function applySnapshot(diff: GpuDiff, { sequence, records }: SnapshotEntry, complete: Complete): void {
  if (sequence < diff.changeSequence) return;
  diff.changeSequence = sequence;
  const named = new Set<string>();
  for (const record of records) {
    named.add(record.columns.name);
    show(diff, complete(record));
  }
  for (const name of [...diff.shown.keys()]) if (!named.has(name)) remove(diff, name);
}

/** Stops before a gap. Changes that are stored already are skipped. */
export function applyChanges(diff: GpuDiff, { changes }: ChangesEntry, complete: Complete): 'stored' | 'gap' {
  for (const { sequence, change } of changes) {
    if (sequence <= diff.changeSequence) continue;
    if (sequence !== diff.changeSequence + 1) return 'gap';
    diff.changeSequence = sequence;
    if (typeof change === 'string') remove(diff, change);
    else show(diff, complete(change));
  }
  return 'stored';
}

/** The node shows nothing any more. */
export function removeAll(diff: GpuDiff): void {
  for (const name of [...diff.shown.keys()]) remove(diff, name);
}

/** The names that were there, or were written, and are not shown at the end. */
export function goneOf(diff: GpuDiff): string[] {
  const names = new Set([...diff.before.keys(), ...diff.written.keys()]);
  return [...names].filter((name) => !diff.shown.has(name));
}

function show(diff: GpuDiff, gpu: ClassifiedGpu): void {
  const { name } = gpu.record.columns;
  const known = diff.shown.get(name);
  if (known === gpu.digest) return;
  diff.shown.set(name, gpu.digest);
  diff.written.set(name, gpu);
  diff.steps.push({ kind: known === undefined ? 'added' : 'changed', name, gpu });
}

function remove(diff: GpuDiff, name: string): void {
  if (!diff.shown.delete(name)) return;
  diff.steps.push({ kind: 'removed', name });
}
