// Which node enrols: the one that its token names, or for a fleet's token, the machine of that name in the cluster.
import type { Selectable } from 'kysely';
import type { NodeIdentity } from '../../../wire/gpubroker/node/v1/node_link.ts';
import { newId } from '../../ids.ts';
import { Refusal } from '../../refusal.ts';
import type { Queryable } from '../../storage/database.ts';
import type { Schema } from '../../storage/schema.ts';
import { expectWelcome } from './credentials.ts';

/** A machine that shows a token and asks for its place. */
export interface Claim {
  readonly trx: Queryable;
  readonly now: Date;
  readonly token: { readonly cluster_id: string; readonly node_id: string | null; readonly provider_status: string };
  readonly identity: NodeIdentity;
  readonly isLive: (nodeId: string) => boolean;
}

/**
 * The id of the machine's node.
 *
 * @throws Refusal `GPUB_NODE_EXISTS` where another machine has that place, or the node is connected;
 *   `GPUB_NODE_DECOMMISSIONED`
 */
export async function placeOf(claim: Claim): Promise<string> {
  return claim.token.node_id === null ? named(claim) : registered(claim, claim.token.node_id);
}

async function registered(claim: Claim, nodeId: string): Promise<string> {
  const { trx, token } = claim;
  const node = await trx.selectFrom('nodes').selectAll().where('id', '=', nodeId).forUpdate().executeTakeFirst();
  if (!node) throw gone();
  expectWelcome({ decommissioned_at: node.decommissioned_at, provider_status: token.provider_status });
  expectNotLive(claim, node);
  return nodeId;
}

/** The node of that name in the token's cluster, if it is the same machine; made where there is none. */
async function named(claim: Claim): Promise<string> {
  const { trx, now, token, identity } = claim;
  // Enrolments into one cluster come one after the other, also with different tokens.
  await trx.selectFrom('clusters').select('id').where('id', '=', token.cluster_id).forNoKeyUpdate().execute();
  const id = newId(now.getTime());
  const created = await trx
    .insertInto('nodes')
    .values({
      id,
      cluster_id: token.cluster_id,
      hostname: identity.nodeName,
      declared_gpus: '[]',
      created_at: now,
      status_since: now,
      joined_at: null,
      last_seen_at: null,
      decommissioned_at: null,
      ip_address: null,
      clock_skew_ms: null,
      round_trip_micros: null,
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning('id')
    .executeTakeFirst();
  if (created) return id;
  const node = await trx
    .selectFrom('nodes')
    .selectAll()
    .where('cluster_id', '=', token.cluster_id)
    .where('hostname', '=', identity.nodeName)
    .where('decommissioned_at', 'is', null)
    .forUpdate()
    .executeTakeFirst();
  if (!node) throw gone();
  if (node.joined_at !== null || node.machine_id !== '') expectSameMachine(claim, node);
  expectNotLive(claim, node);
  return node.id;
}

function expectSameMachine({ identity }: Claim, node: Selectable<Schema['nodes']>): void {
  if (node.machine_id === identity.machineId) return;
  throw new Refusal(
    'conflict',
    'GPUB_NODE_EXISTS',
    `another machine is the node ${identity.nodeName} of this cluster: give this one another name, or decommission that node first`,
  );
}

function expectNotLive({ isLive }: Claim, node: { readonly id: string; readonly hostname: string }): void {
  if (!isLive(node.id)) return;
  throw new Refusal(
    'conflict',
    'GPUB_NODE_EXISTS',
    `the node ${node.hostname} is connected at this moment: stop the agent there first`,
  );
}

function gone(): Refusal {
  return new Refusal('unavailable', 'GPUB_UNAVAILABLE', 'the node was removed just now: try again', { retryAfter: 1 });
}
