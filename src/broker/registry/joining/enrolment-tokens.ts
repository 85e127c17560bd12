// The tokens with which a fleet joins a cluster: made, listed without their secret, revoked.
import type { Selectable } from 'kysely';
import type { EnrolmentToken, NewEnrolmentToken } from '../../../api/clusters.ts';
import type { PageQuery } from '../../../api/lists.ts';
import type { Principal } from '../../identity/principal.ts';
import { pageOf } from '../../paging.ts';
import { notFound } from '../../refusal.ts';
import type { Schema } from '../../storage/schema.ts';
import { type RegistryContext, recordChange } from '../change.ts';
import { findCluster } from '../ownership.ts';
import { readIdCursor } from '../providers.ts';
import { createFleetToken, type NewToken } from './enrolment.ts';

function tokenView(row: Omit<Selectable<Schema['enrolment_tokens']>, 'hash'>): EnrolmentToken {
  return {
    id: row.id,
    cluster_id: row.cluster_id,
    node_id: row.node_id,
    max_uses: row.max_uses,
    uses: row.uses,
    created_at: row.created_at.toISOString(),
    expires_at: row.expires_at.toISOString(),
    revoked_at: row.revoked_at?.toISOString() ?? null,
  };
}

/** @throws Refusal not-found, `GPUB_INVALID` */
export async function createEnrolmentToken(
  { db, now }: RegistryContext,
  principal: Principal,
  clusterId: string,
  { max_uses: maxUses, expires_at }: NewEnrolmentToken,
): Promise<NewToken> {
  return db.transaction().execute(async (trx) => {
    const cluster = await findCluster(trx, principal, clusterId, true);
    const at = now();
    const made = await createFleetToken(trx, at, { clusterId: cluster.id, maxUses, expiresAt: new Date(expires_at) });
    await recordChange(trx, at, principal, {
      action: 'enrolment-token.create',
      accountId: cluster.account_id,
      target: { kind: 'cluster', id: cluster.id },
      details: { enrolment_token_id: made.id, max_uses: maxUses, expires_at: made.expiresAt.toISOString() },
    });
    return made;
  });
}

/** All tokens of a cluster, those for single nodes included. @throws Refusal not-found */
export async function listEnrolmentTokens(
  { db }: RegistryContext,
  principal: Principal,
  clusterId: string,
  { limit = 50, cursor }: PageQuery,
) {
  const cluster = await findCluster(db, principal, clusterId);
  const place = readIdCursor(cursor);
  let query = db
    .selectFrom('enrolment_tokens')
    .select(['id', 'cluster_id', 'node_id', 'max_uses', 'uses', 'created_at', 'expires_at', 'revoked_at'])
    .where('cluster_id', '=', cluster.id);
  if (place) query = query.where('id', '>', place[0]);
  const rows = await query
    .orderBy('id')
    .limit(limit + 1)
    .execute();
  return pageOf(rows, limit, ({ id }) => [id], tokenView);
}

/** Nobody joins with it any more; who joined stays. @throws Refusal not-found */
export async function revokeEnrolmentToken(
  { db, now }: RegistryContext,
  principal: Principal,
  clusterId: string,
  tokenId: string,
): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const cluster = await findCluster(trx, principal, clusterId, true);
    const at = now();
    const found = await trx
      .selectFrom('enrolment_tokens')
      .select('revoked_at')
      .where('id', '=', tokenId)
      .where('cluster_id', '=', cluster.id)
      .executeTakeFirst();
    if (!found) throw notFound('enrolment token', tokenId);
    if (found.revoked_at) return;
    await trx.updateTable('enrolment_tokens').set({ revoked_at: at }).where('id', '=', tokenId).execute();
    await recordChange(trx, at, principal, {
      action: 'enrolment-token.revoke',
      accountId: cluster.account_id,
      target: { kind: 'cluster', id: cluster.id },
      details: { enrolment_token_id: tokenId },
    });
  });
}
