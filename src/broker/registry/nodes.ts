// Nodes as the API shows and changes them: registered, listed, changed, given a new token, removed.
import { type RawBuilder, sql } from 'kysely';
import type { NewNode, Node, NodeChange, NodeDetails, NodeQuery } from '../../api/nodes.ts';
import { visibleAccount } from '../identity/policy.ts';
import type { Principal } from '../identity/principal.ts';
import { newId } from '../ids.ts';
import { closeIncidentsOf } from '../incidents/incidents.ts';
import { pageOf } from '../paging.ts';
import { Refusal } from '../refusal.ts';
import type { Queryable } from '../storage/database.ts';
import { transact } from '../storage/transact.ts';
import { inUse, type RegistryContext, recordChange, takeName } from './change.ts';
import { refuseWhileHeld } from './holds.ts';
import { createNodeToken, type NewToken } from './joining/enrolment.ts';
import { nodeEvent, nodeView } from './node-view.ts';
import { findCluster, findNode, type NodeRow } from './ownership.ts';
import { readIdCursor } from './providers.ts';
import { searchWithin } from './search/search.ts';

/** Seven days in milliseconds: how long a node's onboarding token may be used. */
export const onboardingTokenLifetime = 7 * 24 * 3_600_000;

/** What is known of how well a node does. */
export type NodeFigures = (nodeId: string) => Promise<Record<string, unknown> | null>;

/** Registers a node and makes the token with which it joins. @throws Refusal not-found, `GPUB_NAME_TAKEN` */
export async function createNode(
  { db, now }: RegistryContext,
  principal: Principal,
  clusterId: string,
  given: NewNode,
): Promise<{ nodeId: string; token: NewToken }> {
  const at = now();
  const nodeId = newId(at.getTime());
  const token = await transact(db, async (trx) => {
    const cluster = await findCluster(trx, principal, clusterId, true);
    const row = await takeName(
      'body.hostname',
      given.hostname,
      trx
        .insertInto('nodes')
        .values({
          id: nodeId,
          cluster_id: cluster.id,
          hostname: given.hostname,
          declared_gpus: JSON.stringify(given.gpu_specs ?? []),
          created_at: at,
          status_since: at,
        })
        .returningAll()
        .executeTakeFirstOrThrow(),
    );
    const made = await createNodeToken(trx, at, {
      clusterId: cluster.id,
      nodeId,
      lifetimeMs: onboardingTokenLifetime,
    });
    await recordChange(trx, at, principal, {
      action: 'node.create',
      accountId: cluster.account_id,
      target: { kind: 'node', id: nodeId },
      details: { hostname: given.hostname, enrolment_token_id: made.id },
      events: [nodeEvent('node.registered', at, { ...row, provider_id: cluster.provider_id, region: cluster.region })],
    });
    return made;
  });
  return { nodeId, token };
}

/** @throws Refusal not-found */
export async function getNode(
  { db, figures }: RegistryContext & { figures: NodeFigures },
  principal: Principal,
  id: string,
): Promise<NodeDetails> {
  const row = await findNode(db, principal, id);
  const [counts, page, figure] = await Promise.all([
    gpuCounts(db, [id]),
    searchWithin(db, { accountId: undefined }, { node_id: id, limit: 500 }),
    figures(id),
  ]);
  return { ...nodeView(row, counts.get(id) ?? 0), gpus: page.items, figures: figure };
}

/** Those of the caller's account; all, for an admin. */
export async function listNodes({ db }: RegistryContext, principal: Principal, query: NodeQuery) {
  const { limit = 50, include_decommissioned, hostname, status } = query;
  const account = visibleAccount(principal);
  const place = readIdCursor(query.cursor);
  let rows = db
    .selectFrom('nodes')
    .innerJoin('clusters', 'clusters.id', 'nodes.cluster_id')
    .innerJoin('providers', 'providers.id', 'clusters.provider_id')
    .selectAll('nodes')
    .select(['clusters.provider_id', 'clusters.region']);
  if (account !== undefined) rows = rows.where('providers.account_id', '=', account);
  if (query.cluster_id !== undefined) rows = rows.where('nodes.cluster_id', '=', query.cluster_id);
  if (query.provider_id !== undefined) rows = rows.where('clusters.provider_id', '=', query.provider_id);
  if (status !== undefined) rows = rows.where('nodes.status', '=', status);
  if (hostname !== undefined) rows = rows.where('nodes.hostname', '=', hostname);
  for (const flag of ['cordoned', 'draining', 'simulated'] as const) {
    const wanted = query[flag];
    if (wanted !== undefined) rows = rows.where(`nodes.${flag}`, '=', wanted);
  }
  if (!include_decommissioned) rows = rows.where('nodes.decommissioned_at', 'is', null);
  if (place) rows = rows.where('nodes.id', '>', place[0]);
  const found = await rows
    .orderBy('nodes.id')
    .limit(limit + 1)
    .execute();
  const counts = await gpuCounts(
    db,
    found.map(({ id }) => id),
  );
  return pageOf(
    found,
    limit,
    ({ id }) => [id],
    (row) => nodeView(row, counts.get(row.id) ?? 0),
  );
}

async function gpuCounts(db: Queryable, nodeIds: readonly string[]): Promise<Map<string, number>> {
  const counting: RawBuilder<{ node_id: string; count: number }> = sql`
    select node_id, count(*) as count from gpus
    where node_id = any(${nodeIds}::uuid[]) and removed_at is null and parent is null group by node_id`;
  return new Map((await counting.execute(db)).rows.map(({ node_id, count }) => [node_id, count]));
}

/** Changes what the provider declared. @throws Refusal not-found; `GPUB_NODE_DECOMMISSIONED` */
export async function updateNode(
  { db, now }: RegistryContext,
  principal: Principal,
  id: string,
  change: NodeChange,
): Promise<Node> {
  return transact(db, async (trx) => {
    const before = await findNode(trx, principal, id, true);
    if (before.decommissioned_at) throw decommissioned(id);
    const declared = { declared_gpus: JSON.stringify(change.gpu_specs) };
    await trx.updateTable('nodes').set(declared).where('id', '=', id).execute();
    const row = { ...before, declared_gpus: change.gpu_specs as NodeRow['declared_gpus'] };
    const at = now();
    await recordChange(trx, at, principal, {
      action: 'node.update',
      accountId: before.account_id,
      target: { kind: 'node', id },
      details: { gpu_specs: change.gpu_specs },
      events: [nodeEvent('node.changed', at, row)],
    });
    return nodeView(row, (await gpuCounts(trx, [id])).get(id) ?? 0);
  });
}

/**
 * A new token for a node that has not joined or lost its disk. Tokens made for it before end.
 * @throws Refusal not-found; `GPUB_NODE_DECOMMISSIONED`
 */
export async function renewOnboardingToken(
  { db, now }: RegistryContext,
  principal: Principal,
  id: string,
): Promise<NewToken> {
  return transact(db, async (trx) => {
    const node = await findNode(trx, principal, id, true);
    if (node.decommissioned_at) throw decommissioned(id);
    const at = now();
    await trx
      .updateTable('enrolment_tokens')
      .set({ revoked_at: at })
      .where('node_id', '=', id)
      .where('revoked_at', 'is', null)
      .execute();
    const options = { clusterId: node.cluster_id, nodeId: id, lifetimeMs: onboardingTokenLifetime };
    const made = await createNodeToken(trx, at, options);
    await recordChange(trx, at, principal, {
      action: 'enrolment-token.create',
      accountId: node.account_id,
      target: { kind: 'node', id },
      details: { enrolment_token_id: made.id },
    });
    return made;
  });
}

/** Forgets a node that never joined or is decommissioned. @throws Refusal not-found; `GPUB_IN_USE` for others, and while its GPUs are held */
export async function deleteNode({ db, now }: RegistryContext, principal: Principal, id: string): Promise<void> {
  await transact(db, async (trx) => {
    const row = await findNode(trx, principal, id, true);
    if (row.joined_at && !row.decommissioned_at) throw inUse('node', 'decommission it first');
    await refuseWhileHeld(trx, 'node', id);
    const at = now();
    await recordChange(trx, at, principal, {
      action: 'node.delete',
      accountId: row.account_id,
      target: { kind: 'node', id },
      details: { hostname: row.hostname },
      // Whoever follows heard of the end when it was decommissioned.
      events: row.decommissioned_at ? [] : [nodeEvent('node.removed', at, row)],
    });
    // They go with the node: whoever follows them hears of their end first.
    await closeIncidentsOf(trx, at, 'node', [id], 'the node was removed');
    await trx.deleteFrom('nodes').where('id', '=', id).execute();
  });
}

/** What nobody can do with a node that is decommissioned. */
export function decommissioned(id: string): Refusal {
  return new Refusal('conflict', 'GPUB_NODE_DECOMMISSIONED', `node ${id} is decommissioned: register it anew`);
}
