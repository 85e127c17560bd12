// The nodes of a batch: their rows, what the journal says of them, and memory after the commit.
import type { JournalEvent } from '../../events/journal.ts';
import type { Queryable } from '../../storage/database.ts';
import { nodeEvent } from '../node-view.ts';
import { hasNewSpool, isSimulated, type NodeWork } from './batch.ts';
import type { JoinedNode, NodeStanding } from './contract.ts';
import { declarationOf } from './inventory-checks.ts';
import { dropsAreOver, type LiveNode, mustReportDrops } from './live-nodes.ts';
import type { NodeRow } from './sql/load-nodes.ts';
import { type JoinRow, type NodeStateRow, storeJoins, storeNodeStates, storeStatusChanges } from './sql/store-nodes.ts';
import { storableText } from './storable.ts';

/** Rows of nodes as they are after the batch, by id; only of those that changed. */
export type ChangedNodes = ReadonlyMap<string, NodeRow>;

export async function storeBatchNodes(trx: Queryable, now: Date, works: readonly NodeWork[]): Promise<ChangedNodes> {
  const joins = works.flatMap((work) => (work.joined ? [joinRow(work, work.joined)] : [])).filter(isNews(works));
  await storeJoins(trx, joins);
  const states = works.flatMap((work) => stateRow(work, now) ?? []);
  await storeNodeStates(trx, states);
  const before = new Map(works.map((work) => [work.before.id, work.before]));
  await storeStatusChanges(
    trx,
    states.filter(({ id, status }) => before.get(id)?.status !== status),
  );
  const joinsById = new Map(joins.map((row) => [row.id, row]));
  const statesById = new Map(states.map((row) => [row.id, row]));
  const changed = works.filter(({ before: { id } }) => joinsById.has(id) || statesById.has(id));
  return new Map(
    changed.map(({ before }) => [before.id, after(before, joinsById.get(before.id), statesById.get(before.id))]),
  );
}

/** A node has joined anew when its machine, boot or process is another; another stream of the same is no news. */
export function journalOfNodes(at: Date, works: readonly NodeWork[], changed: ChangedNodes): JournalEvent[] {
  return works.flatMap(({ before, joined, verdict }) => {
    const row = changed.get(before.id);
    if (!row) return [];
    const anew =
      joined &&
      (before.joined_at === null ||
        before.process_id !== row.process_id ||
        before.boot_id !== row.boot_id ||
        before.machine_id !== row.machine_id);
    const judged = before.status !== verdict.status || before.status_reason !== verdict.reason;
    return [
      ...(anew ? [nodeEvent('node.joined', at, row)] : []),
      ...(judged ? [nodeEvent('node.status', at, row)] : []),
    ];
  });
}

/** Brings memory up to date; gives back the node's standing where it is not what the listeners know. */
export function settleNode(
  work: NodeWork,
  { now, overdue }: { now: Date; overdue: (node: LiveNode, now: number) => boolean },
  live: Map<string, LiveNode>,
): { nodeId: string; standing: NodeStanding | 'decommissioned' } | undefined {
  const { before, live: node, joined, verdict } = work;
  const nodeId = before.id;
  if (before.decommissioned_at) {
    live.delete(nodeId);
    return { nodeId, standing: 'decommissioned' };
  }
  settleBeats(work, now.getTime());
  // A beat may have come for a node that was not in memory.
  const beaten = live.get(nodeId);
  if (beaten && beaten !== node) node.lastBeat = Math.max(node.lastBeat, beaten.lastBeat);
  node.status = verdict.status;
  node.snapshotSeen = work.snapshotSeen;
  if (work.snapshotSeen) node.comparedWith = declarationOf(before);
  if (joined) {
    node.processId = joined.identity.processId;
    node.lastBeat = Math.max(node.lastBeat, now.getTime());
    node.leftBecause = undefined;
  }
  // A beat may have come while the transaction ran.
  if (verdict.status === 'offline' && overdue(node, now.getTime())) live.delete(nodeId);
  else live.set(nodeId, node);
  return changedStanding(node, { cordoned: before.cordoned, draining: before.draining });
}

function changedStanding(node: LiveNode, standing: NodeStanding) {
  const known = node.standing;
  node.standing = standing;
  if (!known || (known.cordoned === standing.cordoned && known.draining === standing.draining)) return undefined;
  return { nodeId: node.id, standing };
}

function settleBeats(work: NodeWork, now: number): void {
  const { live: node } = work;
  node.skewReported = work.clockWrong;
  if (work.dropped > work.before.telemetry_dropped) node.dropReportedAt = now;
  else if (dropsAreOver(node, now)) node.dropReportedAt = undefined;
  node.storedDropped = work.dropped;
  if (hasNewSpool(work)) node.dropped = 0;
}

/** What the database is to have as dropped. */
export function droppedAfter(work: Pick<NodeWork, 'before' | 'live' | 'spoolId'>, now: number): number {
  if (work.spoolId !== work.before.spool_id) return 0;
  return mustReportDrops(work.live, now) ? work.live.dropped : work.before.telemetry_dropped;
}

function joinRow(work: NodeWork, { identity, at, ipAddress }: JoinedNode): JoinRow {
  const short = (text: string) => storableText(text, 253) ?? '';
  return {
    id: work.before.id,
    at: at.toISOString(),
    spool_id: work.spoolId,
    simulated: isSimulated(work),
    sources: identity.sources.slice(0, 16).map(short),
    machine_id: short(identity.machineId),
    boot_id: short(identity.bootId),
    process_id: short(identity.processId),
    agent_version: short(identity.agentVersion),
    ip_address: short(ipAddress),
  };
}

/** Another stream of the same process: when it came is written with the beats. */
function isNews(works: readonly NodeWork[]): (row: JoinRow) => boolean {
  const known = new Map(works.map(({ before }) => [before.id, before]));
  return ({ at: _, sources, ...row }) => {
    const before = known.get(row.id);
    if (!before?.joined_at || sources.join() !== before.sources.join()) return true;
    return Object.entries(row).some(([column, value]) => before[column as keyof NodeRow] !== value);
  };
}

/** Undefined where the row says so already. */
function stateRow(work: NodeWork, now: Date): NodeStateRow | undefined {
  const { before, verdict, diff, dropped } = work;
  const anew = hasNewSpool(work);
  const same =
    before.status === verdict.status &&
    before.status_reason === verdict.reason &&
    (anew ? 0 : before.change_sequence) === diff.changeSequence &&
    (anew ? 0 : before.telemetry_dropped) === dropped;
  if (same) return undefined;
  const since = before.status === verdict.status ? before.status_since : now;
  return {
    id: before.id,
    change_sequence: diff.changeSequence,
    telemetry_dropped: dropped,
    status: verdict.status,
    status_reason: verdict.reason,
    status_since: since.toISOString(),
  };
}

function after(before: NodeRow, join: JoinRow | undefined, state: NodeStateRow | undefined): NodeRow {
  const at = join && new Date(join.at);
  const joined = join && {
    ...join,
    sources: [...join.sources],
    joined_at: before.joined_at ?? at ?? null,
    last_seen_at: at ?? null,
  };
  const judged = state && { ...state, status_since: new Date(state.status_since) };
  return { ...before, ...joined, ...judged };
}
