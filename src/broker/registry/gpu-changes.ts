// One GPU: read, put into maintenance and taken out of it.
import type { Gpu, Maintenance } from '../../api/gpus.ts';
import type { JournalEvent } from '../events/journal.ts';
import { requireOwner } from '../identity/policy.ts';
import type { Principal } from '../identity/principal.ts';
import { notFound, Refusal } from '../refusal.ts';
import type { Queryable } from '../storage/database.ts';
import { transact } from '../storage/transact.ts';
import { type RegistryContext, recordChange } from './change.ts';
import { heldGpus } from './holds.ts';
import { showGpus } from './search/search.ts';

/** The event about a GPU. */
export function gpuEvent(kind: 'gpu.added' | 'gpu.changed' | 'gpu.removed', at: Date, gpu: Gpu): JournalEvent {
  const { provider_id: providerId, cluster_id: clusterId, node_id: nodeId, id: gpuId } = gpu;
  return { kind, at, providerId, clusterId, nodeId, gpuId, data: gpu };
}

/** Also one that is removed, as long as the inventory remembers it. @throws Refusal not-found */
export async function getGpu({ db }: RegistryContext, principal: Principal, id: string): Promise<Gpu> {
  const { account_id: _, ...row } = await findGpu(db, principal, id);
  const [gpu] = await showGpus(db, [row]);
  if (!gpu) throw notFound('GPU', id);
  return gpu;
}

/**
 * Keeps a GPU off the market, or gives it back.
 * @throws Refusal not-found; `GPUB_IN_USE` while it is allocated
 */
export async function setMaintenance(
  { db, now }: RegistryContext,
  principal: Principal,
  id: string,
  { enabled, reason }: Maintenance,
): Promise<Gpu> {
  return transact(db, async (trx) => {
    const { account_id, ...before } = await findGpu(trx, principal, id, true);
    if (before.removed_at) throw notFound('GPU', id);
    const show = async (row: typeof before) => {
      const [gpu] = await showGpus(trx, [row]);
      if (!gpu) throw notFound('GPU', id);
      return gpu;
    };
    if ((before.status === 'maintenance') === enabled) return show(before);
    if (enabled && (await heldGpus(trx, [id])).size > 0) {
      throw new Refusal('conflict', 'GPUB_IN_USE', `GPU ${id} is allocated: drain its node, or wait`);
    }
    const at = now();
    const set = { status: enabled ? ('maintenance' as const) : ('available' as const), changed_at: at };
    await trx.updateTable('gpus').set(set).where('id', '=', id).execute();
    const shown = await show({ ...before, ...set });
    const stored = await show({ ...before, ...set, node_offline: false });
    await recordChange(trx, at, principal, {
      action: 'gpu.operate',
      accountId: account_id,
      target: { kind: 'gpu', id },
      details: { maintenance: enabled, ...(reason !== undefined && { reason }) },
      events: [gpuEvent('gpu.changed', at, stored)],
    });
    return shown;
  });
}

async function findGpu(db: Queryable, principal: Principal, id: string, lock = false) {
  const query = db
    .selectFrom('gpus')
    .innerJoin('nodes', 'nodes.id', 'gpus.node_id')
    .innerJoin('providers', 'providers.id', 'gpus.provider_id')
    .selectAll('gpus')
    .select('providers.account_id')
    .select((eb) => eb('nodes.status', '=', 'offline').as('node_offline'))
    .where('gpus.id', '=', id);
  const row = await (lock ? query.forNoKeyUpdate('gpus') : query).executeTakeFirst();
  requireOwner(principal, row?.account_id, 'GPU', id);
  if (!row) throw notFound('GPU', id);
  return { ...row, node_offline: Boolean(row.node_offline) };
}
