// Writes one batch, inside of one transaction: reads and locks its nodes, applies the messages, stores what differs, and
// at last what the journal and the incidents say of it. Memory is touched only by `settle`, after the commit.
import { sql } from 'kysely';
import { messageOf } from '../../../daemon/errors.ts';
import { appendToJournal } from '../../events/journal.ts';
import { closeIncidents, reportIncidents } from '../../incidents/incidents.ts';
import { Refusal } from '../../refusal.ts';
import type { Queryable } from '../../storage/database.ts';
import { isPassing } from '../../storage/failures.ts';
import { classify, type ProductMapping } from '../products/taxonomy.ts';
import { applyEntry, beginWork, isSimulated, type NodeWork, type Outcome, retire } from './batch.ts';
import type { NodeStanding } from './contract.ts';
import { type IngestEntry, nodesOf } from './entries.ts';
import { classifiedGpu } from './gpu-record.ts';
import { journalOf, settleGpus, storeBatchGpus } from './gpus.ts';
import { gpuIncidents, type IncidentChanges, nodeIncidents } from './incidents.ts';
import { inventoryMismatches, twinIncidents } from './inventory-checks.ts';
import { type LiveNode, newLiveNode } from './live-nodes.ts';
import { seenRows } from './live-seen.ts';
import { judgeNode } from './node-status.ts';
import { droppedAfter, journalOfNodes, settleNode, storeBatchNodes } from './nodes.ts';
import { loadBeatIncidents, loadLiveGpus } from './sql/load-live.ts';
import { loadNodes, lockNodes } from './sql/load-nodes.ts';
import { storeSeen } from './sql/store-nodes.ts';

/** What a batch knows besides the database. */
export interface BatchContext {
  readonly live: Map<string, LiveNode>;
  readonly now: Date;
  /** Whether a node has been silent for too long. */
  readonly overdue: (node: LiveNode, now: number) => boolean;
  /** Throws where this process may not write any more. */
  readonly leaderCheck: (trx: Queryable) => Promise<void>;
}

/** A batch that is written and not committed yet. */
export interface WrittenBatch {
  readonly outcomes: ReadonlyMap<IngestEntry, Outcome>;
  /** Makes memory agree with what was committed; gives back whose standing is another now. */
  settle(): { nodeId: string; standing: NodeStanding | 'decommissioned' }[];
}

export async function writeBatch(
  trx: Queryable,
  entries: readonly IngestEntry[],
  context: BatchContext,
): Promise<WrittenBatch> {
  const { live, now } = context;
  await checkLeader(trx, context);
  const named = [...new Set(entries.flatMap(nodesOf))];
  const seen = entries.some(({ kind }) => kind === 'seen') ? seenRows(live.values()) : [];
  // All at once: two turns, each in order, are not in order.
  if (seen.length > 0) await lockNodes(trx, [...named, ...seen.map(({ id }) => id)]);
  const works = await beginWorks(trx, entries, named, context);
  const mappings = entries.some(({ kind }) => kind === 'snapshot' || kind === 'changes') ? await loadMappings(trx) : [];
  const completeFor = (simulated: boolean) => (record: Parameters<typeof classifiedGpu>[0]) =>
    classifiedGpu(record, simulated, (gpu) => classify(gpu, mappings));
  const outcomes = new Map(
    entries.map((entry) => [entry, applyEntry(entry, works, (work) => completeFor(isSimulated(work)))]),
  );
  for (const work of works.values()) judge(work, context);

  const all = [...works.values()];
  const nodes = await storeBatchNodes(trx, now, all);
  const gpus = await storeBatchGpus(trx, now, all);
  await storeSeen(trx, seen);

  const changes: IncidentChanges = { reports: [], closed: new Map() };
  for (const work of all) {
    gpuIncidents(work, gpus.get(work.before.id) ?? new Map(), changes);
    nodeIncidents(work, now.getTime(), changes);
  }
  await twinIncidents(trx, all, gpus, changes);
  await inventoryMismatches(trx, all, changes);
  // Last, for they take the lock that orders all commits.
  await appendToJournal(trx, [...journalOfNodes(now, all, nodes), ...journalOf(now, all, gpus)]);
  await reportIncidents(trx, now, changes.reports);
  for (const [reason, incidents] of changes.closed) await closeIncidents(trx, now, incidents, reason);

  const settle = () => {
    for (const { id, at } of seen) {
      const node = live.get(id);
      if (node) node.storedBeat = Date.parse(at);
    }
    const unknown = named.filter((id) => !works.has(id));
    for (const id of unknown) live.delete(id);
    for (const work of all) settleGpus(work, gpus.get(work.before.id));
    const told = all.flatMap((work) => settleNode(work, context, live) ?? []);
    return [...told, ...unknown.map((nodeId) => ({ nodeId, standing: 'decommissioned' as const }))];
  };
  return { outcomes, settle };
}

/** Who does not lead refuses all that waits: no message is to blame. */
async function checkLeader(trx: Queryable, { leaderCheck }: BatchContext): Promise<void> {
  try {
    await leaderCheck(trx);
  } catch (error) {
    if (isPassing(error)) throw error;
    throw new Refusal('unavailable', 'GPUB_INGEST_UNAVAILABLE', `this broker may not write: ${messageOf(error)}`);
  }
}

/** Nodes that are not in memory yet are read; what is known of those that are overdue is enough to say so. */
async function beginWorks(
  trx: Queryable,
  entries: readonly IngestEntry[],
  named: readonly string[],
  { live, now, overdue }: BatchContext,
): Promise<Map<string, NodeWork>> {
  const rows = await loadNodes(trx, named);
  const sending = new Set(entries.filter(({ kind }) => kind !== 'review').flatMap(nodesOf));
  const nodes = [...rows.values()].map((row) => {
    const lastSeen = row.last_seen_at?.getTime() ?? Number.NEGATIVE_INFINITY;
    return { row, node: live.get(row.id) ?? { ...newLiveNode(row.id, lastSeen), status: row.status } };
  });
  const unread = nodes.filter(
    ({ row, node }) =>
      node.gpus === undefined && (sending.has(row.id) || row.decommissioned_at || !overdue(node, now.getTime())),
  );
  const ids = unread.map(({ row }) => row.id);
  const gpus = await loadLiveGpus(trx, ids);
  const incidents = await loadBeatIncidents(trx, ids);
  for (const { row, node } of unread) {
    node.gpus = gpus.get(row.id);
    node.status = row.status;
    node.skewReported = incidents.has(`clock-skew node:${row.id}`);
    if (node.skew === undefined) node.skewed = node.skewReported;
    node.storedDropped = row.telemetry_dropped;
    node.dropped = Math.max(node.dropped, row.telemetry_dropped);
    node.dropReportedAt = incidents.has(`telemetry-dropped node:${row.id}`)
      ? (node.dropReportedAt ?? now.getTime())
      : undefined;
  }
  return new Map(nodes.map(({ row, node }) => [row.id, beginWork(row, node)]));
}

/** A node that never joined stays as it was registered. */
function judge(work: NodeWork, { now, overdue }: BatchContext): void {
  retire(work);
  const { before, live, joined, diff } = work;
  work.clockWrong = live.skewed;
  work.dropped = droppedAfter(work, now.getTime());
  if (!joined && before.joined_at === null && !before.decommissioned_at) return;
  const shown = [...diff.shown.keys()];
  const health = shown.map((name) => {
    const written = diff.written.get(name);
    return written ? written.record.columns.health : (diff.before.get(name)?.health ?? 'unknown');
  });
  work.verdict = judgeNode({
    decommissioned: before.decommissioned_at !== null,
    overdue: !joined && overdue(live, now.getTime()),
    leftBecause: live.leftBecause,
    clockWrong: work.clockWrong,
    health,
  });
}

async function loadMappings(trx: Queryable): Promise<ProductMapping[]> {
  const { rows } = await sql<ProductMapping>`
    select vendor, model, memory_gb as "memoryGb", product, form_factor as "formFactor", interconnect
    from product_mappings
  `.execute(trx);
  return rows;
}
