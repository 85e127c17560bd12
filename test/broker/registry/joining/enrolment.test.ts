// Tokens exchanged for credentials: who gets one, who does not, and what is written down about it.
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { createFleetToken, createNodeToken, enrol } from '../../../../src/broker/registry/joining/enrolment.ts';
import type { Database } from '../../../../src/broker/storage/database.ts';
import { testDatabase } from '../../../fixtures/database.ts';
import { addCluster, addNode, type Cluster, later, machine, NodeKey, rules, start } from '../../../fixtures/joining.ts';
import { runs } from '../../../properties.ts';

const hour = 3_600_000;
let db: Database;
let cluster: Cluster;

beforeEach(async () => {
  db = (await testDatabase()).db;
  cluster = await addCluster(db);
});

const nodeToken = (nodeId: string) =>
  createNodeToken(db, start, { clusterId: cluster.clusterId, nodeId, lifetimeMs: hour });
const fleetToken = (maxUses: number) =>
  createFleetToken(db, start, { clusterId: cluster.clusterId, maxUses, expiresAt: later(hour) });
const audited = () =>
  db
    .selectFrom('audit_log')
    .select(['action', 'outcome', 'account_id', 'target_id', 'details'])
    .orderBy('seq')
    .execute();
const incidents = () => db.selectFrom('incidents').select(['kind', 'subject', 'occurrences']).execute();
const code = (name: string) => expect.objectContaining({ name: 'Refusal', code: name });

test('a token is stored as a hash only', async () => {
  const { id, token } = await fleetToken(1);
  expect(token).toMatch(/^gpbt_[\w-]{43}$/);
  const row = await db.selectFrom('enrolment_tokens').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
  expect(JSON.stringify(row)).not.toContain(token.slice(5));
});

describe("a node's token", () => {
  test('gives its node a credential, once, and says so in the audit log', async () => {
    const nodeId = await addNode(db, cluster, 'a');
    const { token, id } = await nodeToken(nodeId);
    const enrolled = await enrol(db, start, new NodeKey().enrolRequest(token, machine('a')), rules);
    expect(enrolled).toMatchObject({ nodeId, credential: { expiresAt: later(rules.credentialLifetime) }, isNew: true });
    expect(await audited()).toEqual([
      {
        action: 'node.enrol',
        outcome: 'allowed',
        account_id: cluster.accountId,
        target_id: nodeId,
        details: { token_id: id, credential_id: enrolled.credential.id, node_name: 'a' },
      },
    ]);
  });

  test('gives the same key the same answer, also when the token has expired meanwhile', async () => {
    const { token } = await nodeToken(await addNode(db, cluster, 'a'));
    const request = new NodeKey().enrolRequest(token, machine('a'));
    const first = await enrol(db, start, request, rules);
    expect(await enrol(db, later(2 * hour), request, rules)).toEqual({ ...first, isNew: false });
  });

  test('is refused to another key, and an incident and the audit log tell of it', async () => {
    const nodeId = await addNode(db, cluster, 'a');
    const { token } = await nodeToken(nodeId);
    await enrol(db, start, new NodeKey().enrolRequest(token, machine('a')), rules);
    for (const _ of [1, 2]) {
      const replay = enrol(db, later(1), new NodeKey().enrolRequest(token, machine('b')), rules);
      await expect(replay).rejects.toEqual(code('GPUB_TOKEN_USED'));
    }
    expect(await incidents()).toEqual([{ kind: 'token-replay', subject: `node:${nodeId}`, occurrences: 2 }]);
    expect((await audited()).map(({ outcome }) => outcome)).toEqual(['allowed', 'refused', 'refused']);
  });

  test('ends the credentials that its node had before', async () => {
    const nodeId = await addNode(db, cluster, 'a');
    const first = new NodeKey().enrolRequest((await nodeToken(nodeId)).token, machine('a'));
    await enrol(db, start, first, rules);
    await enrol(db, start, new NodeKey().enrolRequest((await nodeToken(nodeId)).token, machine('a')), rules);
    await expect(enrol(db, start, first, rules)).rejects.toEqual(code('GPUB_CREDENTIAL_REVOKED'));
  });

  test('is refused while its node is connected', async () => {
    const nodeId = await addNode(db, cluster, 'a');
    const { token } = await nodeToken(nodeId);
    const request = new NodeKey().enrolRequest(token, machine('a'));
    const live = { ...rules, isLive: (id: string) => id === nodeId };
    await expect(enrol(db, start, request, live)).rejects.toEqual(code('GPUB_NODE_EXISTS'));
    expect(await enrol(db, start, request, rules)).toMatchObject({ nodeId });
  });

  test('is refused for a node that was decommissioned', async () => {
    const nodeId = await addNode(db, cluster, 'a');
    const { token } = await nodeToken(nodeId);
    await db.updateTable('nodes').set({ decommissioned_at: start }).where('id', '=', nodeId).execute();
    const attempt = enrol(db, start, new NodeKey().enrolRequest(token, machine('a')), rules);
    await expect(attempt).rejects.toEqual(code('GPUB_NODE_DECOMMISSIONED'));
  });
});

describe('a token is refused', () => {
  test('when nobody made it', async () => {
    const attempt = enrol(db, start, new NodeKey().enrolRequest('gpbt_nothing', machine('a')), rules);
    await expect(attempt).rejects.toEqual(code('GPUB_TOKEN_UNKNOWN'));
  });

  test('from the moment at which it ends', async () => {
    const { token, expiresAt } = await fleetToken(1);
    const request = new NodeKey().enrolRequest(token, machine('a'));
    await expect(enrol(db, expiresAt, request, rules)).rejects.toEqual(code('GPUB_TOKEN_EXPIRED'));
    expect(await enrol(db, new Date(expiresAt.getTime() - 1), request, rules)).toMatchObject({ isNew: true });
  });

  test('when it was revoked, also to a key that has used it', async () => {
    const { token, id } = await fleetToken(2);
    const request = new NodeKey().enrolRequest(token, machine('a'));
    await enrol(db, start, request, rules);
    await db.updateTable('enrolment_tokens').set({ revoked_at: start }).where('id', '=', id).execute();
    await expect(enrol(db, start, request, rules)).rejects.toEqual(code('GPUB_TOKEN_UNKNOWN'));
  });

  test('when its provider is suspended', async () => {
    const { token } = await fleetToken(1);
    await db.updateTable('providers').set({ status: 'suspended' }).execute();
    const attempt = enrol(db, start, new NodeKey().enrolRequest(token, machine('a')), rules);
    await expect(attempt).rejects.toEqual(code('GPUB_PROVIDER_SUSPENDED'));
  });
});

describe("a fleet's token", () => {
  test('makes nodes, up to its number, and tells of no replay beyond it', async () => {
    const { token } = await fleetToken(2);
    for (const name of ['a', 'b']) await enrol(db, start, new NodeKey().enrolRequest(token, machine(name)), rules);
    const third = enrol(db, start, new NodeKey().enrolRequest(token, machine('c')), rules);
    await expect(third).rejects.toEqual(code('GPUB_TOKEN_USED'));
    const nodes = await db
      .selectFrom('nodes')
      .select(['hostname', 'cluster_id', 'status'])
      .orderBy('hostname')
      .execute();
    expect(nodes).toEqual(
      ['a', 'b'].map((hostname) => ({ hostname, cluster_id: cluster.clusterId, status: 'offline' })),
    );
    expect(await incidents()).toEqual([]);
  });

  test('gives a machine that was there before its node back, and ends its old credential', async () => {
    const { token } = await fleetToken(2);
    const same = machine('a');
    const old = new NodeKey().enrolRequest(token, same);
    const { nodeId } = await enrol(db, start, old, rules);
    expect(await enrol(db, start, new NodeKey().enrolRequest(token, same), rules)).toMatchObject({
      nodeId,
      isNew: true,
    });
    await expect(enrol(db, start, old, rules)).rejects.toEqual(code('GPUB_CREDENTIAL_REVOKED'));
  });

  test('does not give a node to another machine of its name', async () => {
    const { token } = await fleetToken(2);
    await enrol(db, start, new NodeKey().enrolRequest(token, machine('a')), rules);
    const other = enrol(db, start, new NodeKey().enrolRequest(token, machine('a')), rules);
    await expect(other).rejects.toEqual(code('GPUB_NODE_EXISTS'));
    const { uses } = await db.selectFrom('enrolment_tokens').select('uses').executeTakeFirstOrThrow();
    expect(uses).toBe(1);
  });

  test('takes a node that was registered and has never joined', async () => {
    const nodeId = await addNode(db, cluster, 'a');
    const { token } = await fleetToken(1);
    expect(await enrol(db, start, new NodeKey().enrolRequest(token, machine('a')), rules)).toMatchObject({ nodeId });
  });

  test('lets through exactly its number of nodes that come at the same time', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 8 }), async (most, coming) => {
        const { token } = await fleetToken(most);
        const name = randomBytes(4).toString('hex');
        const keys = Array.from({ length: coming }, () => new NodeKey());
        const attempts = keys.map((key, i) =>
          enrol(db, start, key.enrolRequest(token, machine(`${name}-${i}`)), rules),
        );
        const ended = await Promise.allSettled(attempts);
        expect(ended.filter(({ status }) => status === 'fulfilled')).toHaveLength(Math.min(most, coming));
        const refused = ended.filter((one) => one.status === 'rejected').map(({ reason }) => reason);
        expect(refused.every(({ code }) => code === 'GPUB_TOKEN_USED')).toBe(true);
      }),
      runs(5, 150),
    );
  });

  test('gives one key that comes many times at once one node', async () => {
    const { token } = await fleetToken(3);
    const request = new NodeKey().enrolRequest(token, machine('a'));
    const all = await Promise.all(Array.from({ length: 8 }, () => enrol(db, start, request, rules)));
    expect(new Set(all.map(({ credential }) => credential.id)).size).toBe(1);
    expect(all.filter(({ isNew }) => isNew)).toHaveLength(1);
  });

  test('two tokens at the same time make one node of a name', async () => {
    const tokens = await Promise.all([fleetToken(1), fleetToken(1)]);
    const same = machine('a');
    const both = await Promise.all(
      tokens.map(({ token }) => enrol(db, start, new NodeKey().enrolRequest(token, same), rules)),
    );
    expect(new Set(both.map(({ nodeId }) => nodeId)).size).toBe(1);
    const good = db.selectFrom('node_credentials').select('id').where('revoked_at', 'is', null);
    expect(await good.execute()).toHaveLength(1);
  });
});

describe('a request is refused before its token is looked at', () => {
  const attempt = async (change: object) => {
    const request = new NodeKey().enrolRequest('gpbt_nothing', machine('a'));
    return enrol(db, start, { ...request, ...change }, rules);
  };

  test.each([
    ['a key of no bytes', { publicKey: Buffer.alloc(0) }, 'GPUB_INVALID'],
    ['a key that is none', { publicKey: randomBytes(44) }, 'GPUB_INVALID'],
    ['a key of another kind', { publicKey: randomBytes(91) }, 'GPUB_INVALID'],
    ['no proof', { proof: Buffer.alloc(0) }, 'GPUB_PROOF_REFUSED'],
    ["another key's proof", { publicKey: new NodeKey().publicKey }, 'GPUB_PROOF_REFUSED'],
    ['no identity', { identity: undefined }, 'GPUB_INVALID'],
    ['a node without a name', { identity: machine('') }, 'GPUB_INVALID'],
    ['a name with a control character', { identity: machine('a\u0000') }, 'GPUB_INVALID'],
    ['a name of 254 characters', { identity: machine('a'.repeat(254)) }, 'GPUB_INVALID'],
    ['too many sources', { identity: machine('a', { sources: Array(9).fill('nvml') }) }, 'GPUB_INVALID'],
    ['simulated GPUs', { identity: machine('a', { sources: ['simulated'] }) }, 'GPUB_SIMULATED_REFUSED'],
  ])('%s', async (_what, change, expected) => {
    await expect(attempt(change)).rejects.toEqual(code(expected));
  });
});

test('simulated GPUs are let in where the broker is told so, and marked', async () => {
  const { token } = await fleetToken(1);
  const request = new NodeKey().enrolRequest(token, machine('a', { sources: ['simulated'] }));
  await enrol(db, start, request, { ...rules, allowSimulated: true });
  expect(await db.selectFrom('nodes').select('simulated').execute()).toEqual([{ simulated: true }]);
});

test.each([0, -1, 1.5, Number.NaN, 1_000_001])("a fleet's token for %d nodes is not made", async (maxUses) => {
  await expect(fleetToken(maxUses)).rejects.toEqual(code('GPUB_INVALID'));
});
