// Credentials through their life: proved by hellos, followed by new ones, and ended.
import { randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { authenticate, confirm, rotate, rotationDue } from '../../../../src/broker/registry/joining/credentials.ts';
import { createNodeToken, enrol } from '../../../../src/broker/registry/joining/enrolment.ts';
import type { Database } from '../../../../src/broker/storage/database.ts';
import { testDatabase } from '../../../fixtures/database.ts';
import { addCluster, addNode, type Cluster, later, machine, NodeKey, rules, start } from '../../../fixtures/joining.ts';

const lifetime = rules.credentialLifetime;
const nonce = randomBytes(32);
const identity = machine('a');
const day = 86_400_000;
let db: Database;
let cluster: Cluster;
let key: NodeKey;
let first: { credentialId: string; nodeId: string; accountId: string };

beforeEach(async () => {
  db = (await testDatabase()).db;
  cluster = await addCluster(db);
  key = new NodeKey();
  first = await join('a', key);
});

async function join(name: string, key: NodeKey) {
  const nodeId = await addNode(db, cluster, name);
  const { token } = await createNodeToken(db, start, { clusterId: cluster.clusterId, nodeId, lifetimeMs: 1000 });
  const { credential } = await enrol(db, start, key.enrolRequest(token, machine(name)), rules);
  return { credentialId: credential.id, nodeId, accountId: cluster.accountId };
}

const hello = (credentialId: string, by: NodeKey, now = start) =>
  authenticate(db, now, by.hello(credentialId, nonce, identity), nonce, rules);
const code = (name: string) => expect.objectContaining({ name: 'Refusal', code: name });

/** A stream of the node begins with this credential. */
async function connect(credentialId: string, by: NodeKey, now = start) {
  const node = await hello(credentialId, by, now);
  if (!node.credential.confirmed) await confirm(db, now, node.nodeId, credentialId);
  return node;
}

describe('a hello', () => {
  test('with the key of the credential says whose node it is', async () => {
    const { clusterId, providerId, accountId } = cluster;
    expect(await hello(first.credentialId, key)).toMatchObject({
      nodeId: first.nodeId,
      clusterId,
      providerId,
      accountId,
      credential: { id: first.credentialId, confirmed: false, issuedAt: start, expiresAt: later(lifetime) },
    });
  });

  test('with the credential of another node is refused', async () => {
    const other = await join('b', new NodeKey());
    await expect(hello(other.credentialId, key)).rejects.toEqual(code('GPUB_PROOF_REFUSED'));
  });

  test('that signs another nonce is refused', async () => {
    const old = key.hello(first.credentialId, randomBytes(32), identity);
    await expect(authenticate(db, start, old, nonce, rules)).rejects.toEqual(code('GPUB_PROOF_REFUSED'));
  });

  test.each(['', 'nothing', '01990000-0000-7000-8000-000000000000'])(
    'with the credential "%s" is refused',
    async (id) => {
      await expect(hello(id, key)).rejects.toEqual(code('GPUB_CREDENTIAL_UNKNOWN'));
    },
  );

  test('with an expired credential is told to enrol again', async () => {
    await expect(hello(first.credentialId, key, later(lifetime))).rejects.toEqual(code('GPUB_CREDENTIAL_EXPIRED'));
  });

  test('of a node that was decommissioned, or of a suspended provider, is refused', async () => {
    await db.updateTable('providers').set({ status: 'suspended' }).execute();
    await expect(hello(first.credentialId, key)).rejects.toEqual(code('GPUB_PROVIDER_SUSPENDED'));
    await db.updateTable('nodes').set({ decommissioned_at: start }).execute();
    await expect(hello(first.credentialId, key)).rejects.toEqual(code('GPUB_NODE_DECOMMISSIONED'));
  });
});

describe('a rotation', () => {
  const next = new NodeKey();
  const at = later(11 * day);
  const rotated = (by = next) => rotate(db, at, first, by.newKey(first.credentialId), lifetime);

  beforeEach(() => connect(first.credentialId, key));

  test('is due when a third of the life has passed', () => {
    expect(rotationDue({ issuedAt: start, expiresAt: later(lifetime) })).toBe(later(10 * day).getTime());
  });

  test('leaves both credentials good until the new one is confirmed', async () => {
    const { id, expiresAt } = await rotated();
    expect(expiresAt.getTime()).toBe(at.getTime() + lifetime);
    await connect(first.credentialId, key, at);
    await connect(id, next, at);
    await expect(hello(first.credentialId, key, at)).rejects.toEqual(code('GPUB_CREDENTIAL_REVOKED'));
    expect(await hello(id, next, at)).toMatchObject({ credential: { confirmed: true } });
  });

  test('cut before the broker heard of the key: the old one goes on', async () => {
    expect(await connect(first.credentialId, key, at)).toMatchObject({ nodeId: first.nodeId });
  });

  test('cut after the broker stored it: the same key gets the same credential again', async () => {
    const lost = await rotated();
    await connect(first.credentialId, key, at);
    expect(await rotated()).toEqual(lost);
  });

  test('cut after which the node has lost the new key: another one takes its place', async () => {
    const lost = await rotated();
    const another = new NodeKey();
    const { id } = await rotated(another);
    await expect(hello(lost.id, next, at)).rejects.toEqual(code('GPUB_CREDENTIAL_REVOKED'));
    await connect(id, another, at);
    await expect(hello(first.credentialId, key, at)).rejects.toEqual(code('GPUB_CREDENTIAL_REVOKED'));
  });

  test('cut between the hello and its confirmation: the hello again confirms', async () => {
    const { id } = await rotated();
    await hello(id, next, at);
    expect(await hello(first.credentialId, key, at)).toMatchObject({ nodeId: first.nodeId });
    await connect(id, next, at);
    await connect(id, next, at);
    await expect(rotated(new NodeKey())).rejects.toEqual(code('GPUB_CREDENTIAL_REVOKED'));
  });

  test('many at once make one credential that is good', async () => {
    await Promise.all(Array.from({ length: 6 }, () => rotated(new NodeKey())));
    const pending = db
      .selectFrom('node_credentials')
      .select('id')
      .where('follows', '=', first.credentialId)
      .where('revoked_at', 'is', null);
    expect(await pending.execute()).toHaveLength(1);
  });

  test('is refused without a proof by the new key, and with the old key', async () => {
    const stolen = { ...next.newKey(first.credentialId), proof: key.newKey(first.credentialId).proof };
    await expect(rotate(db, at, first, stolen, lifetime)).rejects.toEqual(code('GPUB_PROOF_REFUSED'));
    await expect(rotated(key)).rejects.toEqual(code('GPUB_INVALID'));
  });
});
