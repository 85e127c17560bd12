// What a node may do: cordoned, draining, in service, decommissioned; and the pull of its inventory.
import type { Node } from '../../api/nodes.ts';
import type { JournalEvent } from '../events/journal.ts';
import type { Principal } from '../identity/principal.ts';
import { closeIncidentsOf } from '../incidents/incidents.ts';
import { Refusal } from '../refusal.ts';
import type { Queryable } from '../storage/database.ts';
import { transact } from '../storage/transact.ts';
import { type RegistryContext, recordChange } from './change.ts';
import { gpuEvent } from './gpu-changes.ts';
import { refuseWhileHeld } from './holds.ts';
import { nodeEvent, nodeView } from './node-view.ts';
import { decommissioned } from './nodes.ts';
import { findNode } from './ownership.ts';
import { withConditions } from './search/search.ts';

/** The streams of nodes, as far as this needs them. */
export interface NodeStreams {
  /** Ends the node's stream, if there is one: the node is out for good, or its provider may not take part. */
  disconnect(nodeId: string, why: 'decommissioned' | 'suspended'): void;
  /** Asks the node for a snapshot. False where it is not connected. */
  pullInventory(nodeId: string): Promise<boolean>;
  /** Tells the node where it stands. */
  standing(nodeId: string, standing: { cordoned: boolean; draining: boolean }): void;
}

/** Cordon: no new leases. Drain: leases end as well. Uncordon: back in service. */
export type Standing = 'cordon' | 'uncordon' | 'drain';

const flagsOf = {
  cordon: { cordoned: true },
  drain: { cordoned: true, draining: true },
  uncordon: { cordoned: false, draining: false },
} as const;

/** @throws Refusal not-found; `GPUB_NODE_DECOMMISSIONED` */
export async function setStanding(
  { db, now, streams }: RegistryContext & { streams: NodeStreams },
  principal: Principal,
  id: string,
  standing: Standing,
): Promise<Node> {
  const row = await transact(db, async (trx) => {
    const before = await findNode(trx, principal, id, true);
    if (before.decommissioned_at) throw decommissioned(id);
    const flags = flagsOf[standing];
    const after = { ...before, ...flags };
    if (after.cordoned === before.cordoned && after.draining === before.draining) return before;
    await trx.updateTable('nodes').set(flags).where('id', '=', id).execute();
    const at = now();
    await recordChange(trx, at, principal, {
      action: 'node.operate',
      accountId: before.account_id,
      target: { kind: 'node', id },
      details: { standing },
      events: [nodeEvent('node.changed', at, after)],
    });
    return after;
  });
  streams.standing(id, { cordoned: row.cordoned, draining: row.draining });
  return nodeView(row, await countGpus(db, id));
}

/**
 * Takes a node out for good: its credentials and tokens end, its GPUs leave the inventory, its stream is cut. A node that
 * is decommissioned stays so. One whose GPUs a trade holds must be drained first; a trade that is made in this very moment
 * keeps its hold.
 * @throws Refusal not-found; `GPUB_IN_USE` while its GPUs are held
 */
export async function decommissionNode(
  { db, now, streams }: RegistryContext & { streams: NodeStreams },
  principal: Principal,
  id: string,
): Promise<Node> {
  const row = await transact(db, async (trx) => {
    const before = await findNode(trx, principal, id, true);
    if (before.decommissioned_at) return before;
    await refuseWhileHeld(trx, 'node', id);
    const at = now();
    const set = {
      decommissioned_at: at,
      cordoned: true,
      draining: true,
      status: 'offline' as const,
      status_reason: 'decommissioned',
      status_since: before.status === 'offline' ? before.status_since : at,
    };
    await trx.updateTable('nodes').set(set).where('id', '=', id).execute();
    for (const table of ['node_credentials', 'enrolment_tokens'] as const) {
      const current = trx.updateTable(table).set({ revoked_at: at }).where('node_id', '=', id);
      await current.where('revoked_at', 'is', null).execute();
    }
    await noteOffline(trx, id, at, before.status);
    const removed = await removeGpus(trx, id, at);
    const after = { ...before, ...set };
    await recordChange(trx, at, principal, {
      action: 'node.operate',
      accountId: before.account_id,
      target: { kind: 'node', id },
      details: { standing: 'decommission', gpus: removed.length },
      events: [...removed, nodeEvent('node.removed', at, after)],
    });
    await closeIncidentsOf(trx, at, 'node', [id], 'the node was decommissioned');
    return after;
  });
  streams.disconnect(id, 'decommissioned');
  return nodeView(row, 0);
}

async function noteOffline(trx: Queryable, id: string, at: Date, before: string): Promise<void> {
  if (before === 'offline') return;
  await trx
    .insertInto('node_status_changes')
    .values({ node_id: id, at, status: 'offline', reason: 'decommissioned' })
    .onConflict((same) => same.columns(['node_id', 'at']).doUpdateSet({ status: 'offline', reason: 'decommissioned' }))
    .execute();
}

async function removeGpus(trx: Queryable, nodeId: string, at: Date): Promise<JournalEvent[]> {
  const rows = await trx
    .updateTable('gpus')
    .set({ removed_at: at, changed_at: at })
    .where('node_id', '=', nodeId)
    .where('removed_at', 'is', null)
    .returningAll()
    .execute();
  const gpus = await withConditions(
    trx,
    rows.map((row) => ({ ...row, node_offline: false })),
  );
  return gpus.map((gpu) => gpuEvent('gpu.removed', at, gpu));
}

async function countGpus(db: Queryable, nodeId: string): Promise<number> {
  const rows = await db
    .selectFrom('gpus')
    .select('id')
    .where('node_id', '=', nodeId)
    .where('removed_at', 'is', null)
    .where('parent', 'is', null)
    .execute();
  return rows.length;
}

/** Asks a node for its inventory now. @throws Refusal not-found; `GPUB_NODE_OFFLINE` */
export async function pullInventory(
  { db, streams }: RegistryContext & { streams: NodeStreams },
  principal: Principal,
  id: string,
): Promise<void> {
  const node = await findNode(db, principal, id);
  const asked = !node.decommissioned_at && (await streams.pullInventory(id));
  if (!asked) throw new Refusal('conflict', 'GPUB_NODE_OFFLINE', `node ${id} is not connected`);
}
