// How nodes join: tokens are made here, and exchanged for a credential that belongs to the node's own key.
import { createHash, randomBytes } from 'node:crypto';
import { newId } from '../ids.ts';
import { invalid } from '../refusal.ts';
import type { Queryable } from '../storage/database.ts';

/** What a token is shown as; the rest is 256 random bits in base64url. */
const tokenPrefix = 'gpbt_';

/** A token that was just made. Its text is shown once: only its hash is stored. */
export interface NewToken {
  readonly id: string;
  readonly token: string;
  readonly expiresAt: Date;
}

/** What the table holds of a token instead of its text. It has 256 random bits, so that a plain hash is enough. */
export function tokenHash(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/**
 * A token with which one node that is registered already joins, once.
 *
 * @param options.lifetimeMs how long it may be used, in milliseconds; more than 0
 */
export async function createNodeToken(
  trx: Queryable,
  now: Date,
  options: { readonly clusterId: string; readonly nodeId: string; readonly lifetimeMs: number },
): Promise<NewToken> {
  const { clusterId, nodeId, lifetimeMs } = options;
  return createToken(trx, now, { clusterId, nodeId, maxUses: 1, expiresAt: new Date(now.getTime() + lifetimeMs) });
}

/**
 * A token with which up to `maxUses` nodes join; each appears in the cluster at its first contact.
 *
 * @throws Refusal `GPUB_INVALID` when it would have ended already, or `maxUses` is no whole number above 0
 */
export async function createFleetToken(
  trx: Queryable,
  now: Date,
  options: { readonly clusterId: string; readonly maxUses: number; readonly expiresAt: Date },
): Promise<NewToken> {
  const { maxUses, expiresAt } = options;
  if (!Number.isInteger(maxUses) || maxUses < 1 || maxUses > 1_000_000)
    throw invalid('body.max_uses', maxUses, 'a whole number from 1 to 1000000');
  if (!(expiresAt > now)) throw invalid('body.expires_at', expiresAt.toISOString(), 'a time in the future');
  return createToken(trx, now, options);
}

interface TokenTerms {
  readonly clusterId: string;
  readonly nodeId?: string;
  readonly maxUses: number;
  readonly expiresAt: Date;
}

async function createToken(trx: Queryable, now: Date, terms: TokenTerms): Promise<NewToken> {
  const token = tokenPrefix + randomBytes(32).toString('base64url');
  const id = newId(now.getTime());
  await trx
    .insertInto('enrolment_tokens')
    .values({
      id,
      cluster_id: terms.clusterId,
      node_id: terms.nodeId ?? null,
      hash: tokenHash(token),
      max_uses: terms.maxUses,
      created_at: now,
      expires_at: terms.expiresAt,
      revoked_at: null,
    })
    .execute();
  return { id, token, expiresAt: terms.expiresAt };
}
