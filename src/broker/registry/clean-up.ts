// Takes out of the inventory what has been gone for too long: GPUs that their nodes ceased to show, and nodes that
// ceased to come; what a trade holds stays until the hold ends. With a node go its GPUs, its credentials (it must enrol
// again) and its history; the journal stays.
import { sql } from 'kysely';
import { appendToJournal } from '../events/journal.ts';
import { closeIncidents, closeIncidentsOf } from '../incidents/incidents.ts';
import type { Database, Queryable } from '../storage/database.ts';
import { transact } from '../storage/transact.ts';
import { isHeld } from './holds.ts';
import { gpuEvent } from './ingest/inventory-events.ts';
import type { NodeRow } from './ingest/sql/load-nodes.ts';
import type { GpuRow } from './ingest/sql/store-gpus.ts';
import { nodeEvent } from './node-view.ts';

export interface CleanUpOptions {
  /** How long something must have been gone, in milliseconds. */
  readonly staleAfterMs: number;
  /** Called in every transaction; throws where this process may not write any more. */
  readonly leaderCheck?: ((trx: Queryable) => Promise<void>) | undefined;
}

/** How many went. */
export interface CleanedUp {
  readonly nodes: number;
  readonly gpus: number;
}

/** Rows of one transaction: it holds the journal's lock while it deletes. */
const nodesAtOnce = 50;
const gpusAtOnce = 500;

/**
 * Removes, in small transactions, what is older than `staleAfterMs` at `now`: GPUs by when they were removed, nodes by
 * since when they are offline. A node that never joined stays while one of its tokens may still be used.
 */
export async function cleanUpInventory(db: Database, now: Date, options: CleanUpOptions): Promise<CleanedUp> {
  const before = new Date(now.getTime() - options.staleAfterMs);
  const { leaderCheck = async () => {} } = options;
  const repeat = async (step: (trx: Queryable) => Promise<{ found: number; gpus: number }>, most: number) => {
    const sum = { found: 0, gpus: 0 };
    for (;;) {
      const { found, gpus } = await transact(db, async (trx) => {
        await leaderCheck(trx);
        return step(trx);
      });
      sum.found += found;
      sum.gpus += gpus;
      if (found < most) return sum;
    }
  };
  const nodes = await repeat((trx) => removeNodes(trx, now, before), nodesAtOnce);
  const gpus = await repeat((trx) => removeGpus(trx, now, before), gpusAtOnce);
  return { nodes: nodes.found, gpus: nodes.gpus + gpus.found };
}

async function removeNodes(trx: Queryable, now: Date, before: Date) {
  const { rows: nodes } = await sql<NodeRow>`
    select nodes.*, clusters.provider_id, clusters.region
    from nodes join clusters on clusters.id = nodes.cluster_id
    where nodes.status = 'offline' and nodes.status_since < ${before}
      and (nodes.joined_at is not null or not exists (
        select from enrolment_tokens as token
        where token.node_id = nodes.id and token.revoked_at is null and token.expires_at > ${now} and token.uses < token.max_uses))
      and not exists (select from trades where trades.node_id = nodes.id and trades.ended_at is null)
    order by nodes.id limit ${nodesAtOnce}
    for update of nodes skip locked
  `.execute(trx);
  if (nodes.length === 0) return { found: 0, gpus: 0 };
  const ids = nodes.map(({ id }) => id);
  // Locked before the journal, like everywhere: who changes one of them waits for the journal next.
  const { rows: gpus } = await sql<GpuRow>`
    select * from gpus where node_id = any(${ids}::uuid[]) order by id for update
  `.execute(trx);
  await removeVerifications(trx, 'node_id', ids);
  // Deleting takes the incidents along: whoever follows them must hear of their end first.
  await closeIncidentsOf(trx, now, 'node', ids, 'the node left the inventory');
  await sql`delete from nodes where id = any(${ids}::uuid[])`.execute(trx);
  await appendToJournal(trx, [
    ...gpus.map((row) => gpuEvent('gpu.removed', now, { ...row, removed_at: row.removed_at ?? now }, [])),
    ...nodes.map((row) => nodeEvent('node.removed', now, row)),
  ]);
  return { found: nodes.length, gpus: gpus.length };
}

async function removeGpus(trx: Queryable, now: Date, before: Date) {
  const { rows: gpus } = await sql<GpuRow>`
    select * from gpus g where removed_at < ${before} and not ${isHeld}
    order by id limit ${gpusAtOnce} for update skip locked
  `.execute(trx);
  if (gpus.length === 0) return { found: 0, gpus: 0 };
  const ids = gpus.map(({ id }) => id);
  await removeVerifications(trx, 'gpu_id', ids);
  const subjects = ids.map((id) => `gpu:${id}`);
  await closeIncidents(trx, now, await openAbout(trx, subjects), 'the GPU left the inventory');
  await sql`delete from gpus where id = any(${ids}::uuid[])`.execute(trx);
  await appendToJournal(
    trx,
    gpus.map((row) => gpuEvent('gpu.removed', now, row, [])),
  );
  return { found: gpus.length, gpus: 0 };
}

/** They are the most rows that hang on a GPU: they go before the journal is locked, not with it. */
async function removeVerifications(
  trx: Queryable,
  column: 'node_id' | 'gpu_id',
  ids: readonly string[],
): Promise<void> {
  await trx
    .deleteFrom('verifications')
    .where(column, 'in', [...ids])
    .execute();
}

async function openAbout(trx: Queryable, subjects: readonly string[]) {
  const { rows } = await sql<{ kind: string; subject: string }>`
    select kind, subject from incidents where subject = any(${subjects}::text[]) and closed_at is null
  `.execute(trx);
  return rows;
}
