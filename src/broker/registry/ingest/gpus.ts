// The GPUs of a batch: their rows and conditions, what the journal says of them, and memory after the commit.
import type { JournalEvent } from '../../events/journal.ts';
import { newId } from '../../ids.ts';
import type { Queryable } from '../../storage/database.ts';
import type { NodeWork } from './batch.ts';
import type { ClassifiedGpu } from './gpu-record.ts';
import { gpuEvent } from './inventory-events.ts';
import { goneOf } from './snapshot-diff.ts';
import { storeConditions } from './sql/store-conditions.ts';
import { type GpuRow, type GpuWrite, removeGpus, storeGpus } from './sql/store-gpus.ts';

/** A row as the batch leaves it; `inserted` where the node never had a GPU of this name. */
export type StoredGpu = GpuRow & { readonly inserted?: boolean };
/** By node, then by name; only of what the batch touches. */
export type BatchGpus = ReadonlyMap<string, ReadonlyMap<string, StoredGpu>>;

export async function storeBatchGpus(trx: Queryable, now: Date, works: readonly NodeWork[]): Promise<BatchGpus> {
  const stored = new Map(works.map(({ before }) => [before.id, new Map<string, StoredGpu>()]));
  const keep = (row: StoredGpu) => {
    const rows = stored.get(row.node_id);
    const inserted = rows?.get(row.name)?.inserted ?? row.inserted;
    rows?.set(row.name, inserted === undefined ? row : { ...row, inserted });
  };
  const writes = works.flatMap((work) => [...work.diff.written.values()].map((gpu) => gpuWrite(work, gpu, now)));
  for (const row of await storeGpus(trx, now, writes)) keep(row);
  const gone = works.flatMap((work) => goneOf(work.diff).map((name) => ({ node_id: work.before.id, name })));
  for (const row of await removeGpus(trx, now, gone)) keep(row);
  await storeConditions(
    trx,
    works.flatMap((work) => conditionsOf(work, stored.get(work.before.id) ?? new Map())),
  );
  return stored;
}

/** Every step of every GPU, in order, each as it was after the step. */
export function journalOf(at: Date, works: readonly NodeWork[], gpus: BatchGpus): JournalEvent[] {
  return works.flatMap(({ before, diff }) => {
    const rows = gpus.get(before.id);
    return diff.steps.flatMap((step) => {
      const row = rows?.get(step.name);
      if (!row) return [];
      if (step.kind === 'removed') return [gpuEvent('gpu.removed', at, { ...row, removed_at: at }, [])];
      return [gpuEvent(`gpu.${step.kind}`, at, afterStep(row, step.gpu), step.gpu.record.conditions)];
    });
  });
}

/** As the row was after a step; a card that its driver does not describe keeps its description, as in the row. */
function afterStep(row: StoredGpu, { record, product, form_factor, interconnect }: ClassifiedGpu): StoredGpu {
  const { health, stale, recommended_action, source } = record.columns;
  if (source === null) return { ...row, health, stale, recommended_action, removed_at: null };
  return { ...row, ...record.columns, product, form_factor, interconnect, removed_at: null };
}

/** Brings the GPUs that memory has of a node up to date. */
export function settleGpus(work: NodeWork, rows: ReadonlyMap<string, StoredGpu> | undefined): void {
  const { gpus } = work.live;
  if (!gpus || work.diff.steps.length === 0) return;
  for (const name of goneOf(work.diff)) gpus.delete(name);
  for (const [name, { digest, record }] of work.diff.written) {
    const row = rows?.get(name);
    if (row && work.diff.shown.has(name)) gpus.set(name, { id: row.id, health: record.columns.health, digest });
  }
}

function gpuWrite(work: NodeWork, gpu: ClassifiedGpu, now: Date): GpuWrite {
  const { before } = work;
  const { record, simulated, product, form_factor, interconnect, digest } = gpu;
  const id = work.diff.before.get(record.columns.name)?.id ?? newId(now.getTime());
  const { id: node_id, cluster_id, provider_id, region } = before;
  const place = { id, node_id, cluster_id, provider_id, region };
  return { ...place, ...record.columns, simulated, product, form_factor, interconnect, digest };
}

/** Of those that are shown at the end; a GPU that goes takes its conditions along. */
function conditionsOf(work: NodeWork, rows: ReadonlyMap<string, StoredGpu>) {
  return [...work.diff.written].flatMap(([name, { record }]) => {
    const row = rows.get(name);
    return row && work.diff.shown.has(name) ? [{ gpuId: row.id, conditions: record.conditions }] : [];
  });
}
