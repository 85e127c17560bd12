// How nodes join: tokens are made here, and exchanged for a credential that belongs to the node's own key.
import { Buffer } from 'node:buffer';
import { createHash, randomBytes } from 'node:crypto';
import type { EnrollRequest, NodeIdentity } from '../../../wire/gpubroker/node/v1/node_link.ts';
import { appendAudit } from '../../identity/audit.ts';
import { newId } from '../../ids.ts';
import { reportIncidents } from '../../incidents/incidents.ts';
import { incidentKind, incidentTitle } from '../../incidents/kinds.ts';
import { invalid, Refusal } from '../../refusal.ts';
import type { Database, Queryable } from '../../storage/database.ts';
import { expectGood, expectWelcome, find, type IssuedCredential, issueCredential } from './credentials.ts';
import { placeOf } from './enrolled-node.ts';
import { isSimulated, readIdentity } from './node-identity.ts';
import { checkProof, enrolmentText, readPublicKey } from './node-keys.ts';

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

/** A node that has enrolled. */
export interface Enrolled {
  readonly nodeId: string;
  readonly credential: IssuedCredential;
  /** False where the same key has used the token before: it got the same answer again. */
  readonly isNew: boolean;
}

/** What decides about enrolments beside the token. */
export interface EnrolmentRules {
  readonly allowSimulated: boolean;
  /** Of the credential, in milliseconds. */
  readonly credentialLifetime: number;
  /** Whether a node has a stream that is alive: nobody may take its place then. */
  readonly isLive: (nodeId: string) => boolean;
}

/**
 * Exchanges a token for a credential. The same token with the same key gets the same answer for as long as that
 * credential is good and the token is not revoked, also when the token has expired or is used up meanwhile: the
 * answer may have been lost on its way.
 *
 * @throws Refusal `GPUB_TOKEN_UNKNOWN`, `GPUB_TOKEN_EXPIRED`, `GPUB_TOKEN_USED`, `GPUB_NODE_EXISTS`,
 *   `GPUB_NODE_DECOMMISSIONED`, `GPUB_PROVIDER_SUSPENDED`, `GPUB_SIMULATED_REFUSED`, `GPUB_CREDENTIAL_EXPIRED`,
 *   `GPUB_CREDENTIAL_REVOKED`, `GPUB_PROOF_REFUSED` or `GPUB_INVALID`
 */
export async function enrol(db: Database, now: Date, request: EnrollRequest, rules: EnrolmentRules): Promise<Enrolled> {
  const identity = readIdentity(request.identity, rules.allowSimulated);
  checkProof(readPublicKey('public_key', request.publicKey), enrolmentText(request.token), request.proof);
  const outcome = await db.transaction().execute(async (trx) => {
    const token = await lockToken(trx, request.token);
    if (!token || token.revoked_at !== null) return { refusal: tokenUnknown() };
    const attempt: Attempt = { trx, now, token, identity, publicKey: Buffer.from(request.publicKey), rules };
    try {
      return { enrolled: await answer(attempt) };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      await noteRefusal(attempt, error);
      return { refusal: error };
    }
  });
  // Thrown only now, so that what was noted about the refusal is committed.
  if (outcome.refusal) throw outcome.refusal;
  return outcome.enrolled;
}

type Token = NonNullable<Awaited<ReturnType<typeof lockToken>>>;

interface Attempt {
  readonly trx: Queryable;
  readonly now: Date;
  readonly token: Token;
  readonly identity: NodeIdentity;
  readonly publicKey: Buffer;
  readonly rules: EnrolmentRules;
}

/** The row is locked until the transaction ends: uses of one token come one after the other. */
async function lockToken(trx: Queryable, text: string) {
  return trx
    .selectFrom('enrolment_tokens as token')
    .innerJoin('clusters as cluster', 'cluster.id', 'token.cluster_id')
    .innerJoin('providers as provider', 'provider.id', 'cluster.provider_id')
    .selectAll('token')
    .select(['cluster.provider_id', 'provider.account_id', 'provider.status as provider_status'])
    .where('token.hash', '=', tokenHash(text))
    .forUpdate('token')
    .executeTakeFirst();
}

/** Nothing has been written when this throws a Refusal. */
async function answer(attempt: Attempt): Promise<Enrolled> {
  const { trx, now, token, publicKey } = attempt;
  expectWelcome({ decommissioned_at: null, provider_status: token.provider_status });
  const before = await trx
    .selectFrom('enrolments')
    .select('credential_id')
    .where('token_id', '=', token.id)
    .where('public_key', '=', publicKey)
    .executeTakeFirst();
  if (before) return sameAgain(attempt, before.credential_id);
  if (token.uses >= token.max_uses) throw tokenUsed(token);
  if (token.expires_at <= now)
    throw new Refusal(
      'unauthenticated',
      'GPUB_TOKEN_EXPIRED',
      `the token ended at ${token.expires_at.toISOString()}: make a new one`,
    );
  const nodeId = await placeOf({ ...attempt, isLive: attempt.rules.isLive });
  return { ...(await store(attempt, nodeId)), isNew: true };
}

async function sameAgain({ trx, now }: Attempt, credentialId: string): Promise<Enrolled> {
  const credential = await find(trx, credentialId);
  if (!credential) throw tokenUnknown();
  expectGood(credential, now);
  return {
    nodeId: credential.node_id,
    credential: { id: credential.id, expiresAt: credential.expires_at },
    isNew: false,
  };
}

async function store(attempt: Attempt, nodeId: string): Promise<{ nodeId: string; credential: IssuedCredential }> {
  const { trx, now, token, identity, publicKey, rules } = attempt;
  const credential = await issueCredential(trx, now, { nodeId, publicKey, lifetimeMs: rules.credentialLifetime });
  await trx
    .insertInto('enrolments')
    .values({ token_id: token.id, public_key: publicKey, node_id: nodeId, credential_id: credential.id, at: now })
    .execute();
  await trx
    .updateTable('enrolment_tokens')
    .set({ uses: token.uses + 1 })
    .where('id', '=', token.id)
    .execute();
  await trx
    .updateTable('nodes')
    .set({ machine_id: identity.machineId, simulated: isSimulated(identity), sources: [...identity.sources] })
    .where('id', '=', nodeId)
    .execute();
  await appendAudit(trx, now, {
    actor: { kind: 'node', id: nodeId },
    accountId: token.account_id,
    action: 'node.enrol',
    target: { kind: 'node', id: nodeId },
    outcome: 'allowed',
    details: { token_id: token.id, credential_id: credential.id, node_name: identity.nodeName },
  });
  return { nodeId, credential };
}

/** A refusal about a token that exists is its owner's matter; a replayed node token means that it leaked. */
async function noteRefusal({ trx, now, token, identity }: Attempt, refusal: Refusal): Promise<void> {
  const target =
    token.node_id === null ? { kind: 'cluster', id: token.cluster_id } : { kind: 'node', id: token.node_id };
  await appendAudit(trx, now, {
    actor: { kind: 'anonymous' },
    accountId: token.account_id,
    action: 'node.enrol',
    target,
    outcome: 'refused',
    details: { token_id: token.id, code: refusal.code, node_name: identity.nodeName },
  });
  if (refusal.code !== 'GPUB_TOKEN_USED' || token.node_id === null) return;
  await reportIncidents(trx, now, [
    {
      kind: 'token-replay',
      severity: incidentKind('token-replay').severity,
      subject: `node:${token.node_id}`,
      title: incidentTitle('token-replay', identity.nodeName),
      details: { token_id: token.id, node_name: identity.nodeName, machine_id: identity.machineId },
      providerId: token.provider_id,
      clusterId: token.cluster_id,
      nodeId: token.node_id,
    },
  ]);
}

function tokenUnknown(): Refusal {
  return new Refusal('unauthenticated', 'GPUB_TOKEN_UNKNOWN', 'this broker has no such token, or it was revoked');
}

function tokenUsed(token: Token): Refusal {
  const how = token.node_id === null ? `${token.max_uses} nodes have used it` : 'another key has used it';
  return new Refusal('unauthenticated', 'GPUB_TOKEN_USED', `the token is used up: ${how}; make a new one`);
}
