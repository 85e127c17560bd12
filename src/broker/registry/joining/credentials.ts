// The credentials of nodes: issued at enrolment, proved by every stream, followed by a new one long before they end.
//
//   issued ── the node's first hello with it ──> confirmed ── its successor is confirmed ──> revoked
//
// A successor is made when the node sends a new key. Both are good until a hello proves that the node holds the new
// one, so that a cut at any point leaves the node with a key that works.
import { Buffer } from 'node:buffer';
import type { Hello, NewKey, NodeIdentity } from '../../../wire/gpubroker/node/v1/node_link.ts';
import { appendAudit } from '../../identity/audit.ts';
import { isId, newId } from '../../ids.ts';
import { invalid, Refusal } from '../../refusal.ts';
import type { Database, Queryable } from '../../storage/database.ts';
import { readIdentity } from './node-identity.ts';
import { checkProof, helloText, readPublicKey, rotationText } from './node-keys.ts';

/** A credential as the node hears of it. */
export interface IssuedCredential {
  readonly id: string;
  readonly expiresAt: Date;
}

/** A node that has proved its key. */
export interface AuthenticatedNode {
  readonly nodeId: string;
  readonly clusterId: string;
  readonly providerId: string;
  readonly accountId: string;
  readonly identity: NodeIdentity;
  readonly credential: StandingCredential;
}

/** The credential with which a stream began. */
export interface StandingCredential extends IssuedCredential {
  readonly issuedAt: Date;
  readonly confirmed: boolean;
}

/** When a third of a credential's life has passed: the node is asked for a new key from then on. */
export function rotationDue(credential: { readonly issuedAt: Date; readonly expiresAt: Date }): number {
  const issued = credential.issuedAt.getTime();
  return issued + (credential.expiresAt.getTime() - issued) / 3;
}

/** Issues a credential that follows no other; those that the node had before end. */
export async function issueCredential(
  trx: Queryable,
  now: Date,
  node: { readonly nodeId: string; readonly publicKey: Uint8Array; readonly lifetimeMs: number },
): Promise<IssuedCredential> {
  await revokeOthers(trx, now, node.nodeId, undefined);
  return insert(trx, now, node, null);
}

/**
 * Checks a hello against the nonce that it answers.
 *
 * @throws Refusal `GPUB_CREDENTIAL_UNKNOWN`, `GPUB_PROOF_REFUSED`, `GPUB_CREDENTIAL_EXPIRED`,
 *   `GPUB_CREDENTIAL_REVOKED`, `GPUB_NODE_DECOMMISSIONED`, `GPUB_PROVIDER_SUSPENDED`, `GPUB_SIMULATED_REFUSED` or
 *   `GPUB_INVALID`
 */
export async function authenticate(
  db: Queryable,
  now: Date,
  hello: Hello,
  nonce: Uint8Array,
  options: { readonly allowSimulated: boolean },
): Promise<AuthenticatedNode> {
  const identity = readIdentity(hello.identity, options.allowSimulated);
  const row = isId(hello.credentialId) ? await find(db, hello.credentialId) : undefined;
  if (!row) throw refused('GPUB_CREDENTIAL_UNKNOWN', 'this broker has not issued that credential');
  // Before anything is said about the credential: who does not hold its key learns nothing.
  checkProof(readPublicKey('credential', row.public_key), helloText(hello.credentialId, nonce), hello.proof);
  expectGood(row, now);
  return {
    nodeId: row.node_id,
    clusterId: row.cluster_id,
    providerId: row.provider_id,
    accountId: row.account_id,
    identity,
    credential: {
      id: row.id,
      issuedAt: row.issued_at,
      expiresAt: row.expires_at,
      confirmed: row.confirmed_at !== null,
    },
  };
}

/** The node has proved that it holds this credential's key: every other one of the node ends. */
export async function confirm(db: Database, now: Date, nodeId: string, credentialId: string): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const confirmed = await trx
      .updateTable('node_credentials')
      .set({ confirmed_at: now })
      .where('id', '=', credentialId)
      .where('confirmed_at', 'is', null)
      .where('revoked_at', 'is', null)
      .executeTakeFirst();
    if (confirmed.numUpdatedRows > 0n) await revokeOthers(trx, now, nodeId, credentialId);
  });
}

/**
 * Issues the credential of a node's next key. The same key again gets the same credential; another key takes the place
 * of one that was never confirmed.
 *
 * @throws Refusal `GPUB_INVALID`, `GPUB_PROOF_REFUSED`, or what `authenticate` says of the credential it follows
 */
export async function rotate(
  db: Database,
  now: Date,
  node: { readonly credentialId: string; readonly nodeId: string; readonly accountId: string },
  newKey: NewKey,
  lifetimeMs: number,
): Promise<IssuedCredential> {
  const { credentialId, nodeId } = node;
  checkProof(readPublicKey('new_key.public_key', newKey.publicKey), rotationText(credentialId), newKey.proof);
  const publicKey = Buffer.from(newKey.publicKey);
  return db.transaction().execute(async (trx) => {
    // One rotation of a node at a time.
    await trx.selectFrom('node_credentials').select('id').where('id', '=', credentialId).forUpdate().execute();
    const current = await find(trx, credentialId);
    if (!current) throw refused('GPUB_CREDENTIAL_UNKNOWN', 'the credential is gone');
    expectGood(current, now);
    if (publicKey.equals(current.public_key))
      throw invalid('new_key.public_key', 'the key of the credential it follows', 'another key');
    const pending = await trx
      .selectFrom('node_credentials')
      .select(['id', 'public_key', 'expires_at'])
      .where('follows', '=', credentialId)
      .where('revoked_at', 'is', null)
      .execute();
    const same = pending.find((row) => publicKey.equals(row.public_key) && row.expires_at > now);
    if (same) return { id: same.id, expiresAt: same.expires_at };
    for (const { id } of pending) await revoke(trx, now, id);
    const issued = await insert(trx, now, { nodeId, publicKey, lifetimeMs }, credentialId);
    await appendAudit(trx, now, {
      actor: { kind: 'node', id: nodeId },
      accountId: node.accountId,
      action: 'node.rotate-key',
      target: { kind: 'node', id: nodeId },
      outcome: 'allowed',
      details: { credential_id: issued.id, follows: credentialId },
    });
    return issued;
  });
}

/** What decides whether a credential is good. */
export interface CredentialState {
  readonly expires_at: Date;
  readonly revoked_at: Date | null;
  readonly decommissioned_at: Date | null;
  readonly provider_status: string;
}

/** @throws Refusal saying why it is not */
export function expectGood(state: CredentialState, now: Date): void {
  expectWelcome(state);
  if (state.revoked_at !== null)
    throw refused(
      'GPUB_CREDENTIAL_REVOKED',
      'another credential has taken the place of this one: enrol with a new token',
    );
  if (state.expires_at <= now)
    throw refused(
      'GPUB_CREDENTIAL_EXPIRED',
      `the credential ended at ${state.expires_at.toISOString()}: enrol with a new token`,
    );
}

/** @throws Refusal where the node or its provider may not join, whatever it shows */
export function expectWelcome(state: Pick<CredentialState, 'decommissioned_at' | 'provider_status'>): void {
  if (state.decommissioned_at !== null)
    throw new Refusal('forbidden', 'GPUB_NODE_DECOMMISSIONED', 'this node was decommissioned');
  if (state.provider_status === 'suspended')
    throw new Refusal('forbidden', 'GPUB_PROVIDER_SUSPENDED', 'the provider of this node is suspended');
}

function refused(code: `GPUB_${string}`, message: string): Refusal {
  return new Refusal('unauthenticated', code, message);
}

/** A credential with all that decides about it. */
export async function find(db: Queryable, credentialId: string) {
  return db
    .selectFrom('node_credentials as credential')
    .innerJoin('nodes as node', 'node.id', 'credential.node_id')
    .innerJoin('clusters as cluster', 'cluster.id', 'node.cluster_id')
    .innerJoin('providers as provider', 'provider.id', 'cluster.provider_id')
    .select([
      'credential.id',
      'credential.node_id',
      'credential.public_key',
      'credential.issued_at',
      'credential.expires_at',
      'credential.confirmed_at',
      'credential.revoked_at',
      'node.cluster_id',
      'node.decommissioned_at',
      'cluster.provider_id',
      'provider.account_id',
      'provider.status as provider_status',
    ])
    .where('credential.id', '=', credentialId)
    .executeTakeFirst();
}

async function insert(
  trx: Queryable,
  now: Date,
  node: { readonly nodeId: string; readonly publicKey: Uint8Array; readonly lifetimeMs: number },
  follows: string | null,
): Promise<IssuedCredential> {
  const id = newId(now.getTime());
  const expiresAt = new Date(now.getTime() + node.lifetimeMs);
  await trx
    .insertInto('node_credentials')
    .values({
      id,
      node_id: node.nodeId,
      public_key: Buffer.from(node.publicKey),
      issued_at: now,
      expires_at: expiresAt,
      confirmed_at: null,
      revoked_at: null,
      follows,
    })
    .execute();
  return { id, expiresAt };
}

async function revoke(trx: Queryable, now: Date, id: string): Promise<void> {
  await trx.updateTable('node_credentials').set({ revoked_at: now }).where('id', '=', id).execute();
}

async function revokeOthers(trx: Queryable, now: Date, nodeId: string, keep: string | undefined): Promise<void> {
  let query = trx
    .updateTable('node_credentials')
    .set({ revoked_at: now })
    .where('node_id', '=', nodeId)
    .where('revoked_at', 'is', null);
  if (keep !== undefined) query = query.where('id', '<>', keep);
  await query.execute();
}
