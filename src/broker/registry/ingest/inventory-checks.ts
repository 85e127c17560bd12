// What does not fit together across GPUs: one card on two nodes, a node without the GPUs that were declared for it.
import { sql } from 'kysely';
import type { Queryable } from '../../storage/database.ts';
import type { NodeWork } from './batch.ts';
import { type DiscoveredGpu, differences } from './declared-gpus.ts';
import type { BatchGpus } from './gpus.ts';
import { close, gpuReport, type IncidentChanges, nodeReport } from './incidents.ts';
import { findPartedTwins, findTwins, type TwinSide } from './sql/find-twins.ts';
import type { NodeRow } from './sql/load-nodes.ts';

/** Looks where GPUs were added or nodes came online; closes where one side is gone. */
export async function twinIncidents(
  trx: Queryable,
  works: readonly NodeWork[],
  gpus: BatchGpus,
  changes: IncidentChanges,
): Promise<void> {
  const added = works.flatMap(({ before, diff }) =>
    diff.steps.flatMap(({ kind, name }) => (kind === 'added' && gpus.get(before.id)?.get(name)?.id) || []),
  );
  const cameOnline = works.filter(({ before, verdict }) => before.status === 'offline' && verdict.status !== 'offline');
  const twins = await findTwins(
    trx,
    [...new Set(added)],
    cameOnline.map(({ before }) => before.id),
  );
  for (const { uuid, one, other } of twins) {
    changes.reports.push(twinReport(uuid, one, other), twinReport(uuid, other, one));
  }
  const left = works.some(
    ({ before, verdict, diff }) =>
      (before.status !== 'offline' && verdict.status === 'offline') ||
      diff.steps.some(({ kind }) => kind === 'removed'),
  );
  if (!left) return;
  const subjects = await findPartedTwins(trx);
  close(changes, 'only one node shows it now', ...subjects.map((subject) => ({ kind: 'duplicate-gpu', subject })));
}

/** Another provider's node is none of this provider's business: its report does not name it. */
function twinReport(uuid: string, own: TwinSide, other: TwinSide) {
  const twin =
    own.provider_id === other.provider_id
      ? { also_on_node: other.node_id, also_on_hostname: other.hostname }
      : { also_on_node: null, also_on_hostname: 'a node of another provider' };
  return gpuReport(own, own.hostname, 'duplicate-gpu', { uuid, ...twin });
}

/** The declared GPUs of a node, to be compared with those of another time. */
export function declarationOf({ declared_gpus }: Pick<NodeRow, 'declared_gpus'>): string | undefined {
  return declared_gpus.length > 0 ? JSON.stringify(declared_gpus) : undefined;
}

/** Looks at nodes that have sent a snapshot, when their GPUs or the declaration changed, or they joined. */
export async function inventoryMismatches(
  trx: Queryable,
  works: readonly NodeWork[],
  changes: IncidentChanges,
): Promise<void> {
  const asked = works.filter(
    ({ before, diff, snapshotSeen, live }) =>
      (before.declared_gpus.length > 0 || live.comparedWith !== undefined) &&
      before.decommissioned_at === null &&
      snapshotSeen &&
      (diff.steps.length > 0 || !live.snapshotSeen || live.comparedWith !== declarationOf(before)),
  );
  if (asked.length === 0) return;
  const { rows } = await sql<DiscoveredGpu & { node_id: string }>`
    select node_id, model, product, memory_bytes from gpus
    where node_id = any(${asked.map(({ before }) => before.id)}::uuid[]) and removed_at is null and parent is null
  `.execute(trx);
  const found = Map.groupBy(rows, ({ node_id }) => node_id);
  for (const { before } of asked) {
    const wrong = differences(before.declared_gpus, found.get(before.id) ?? []);
    const named = { kind: 'inventory-mismatch', subject: `node:${before.id}` };
    if (wrong.length === 0) close(changes, 'its GPUs are as declared', named);
    else changes.reports.push(nodeReport(before, named.kind, { differences: wrong }));
  }
}
