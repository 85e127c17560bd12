// Enrolling and connecting over the wire: what a node that does it right gets, and how the others are refused.
import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { addNode, machine, NodeKey } from '../../fixtures/joining.ts';
import {
  enrollBy,
  enrolNode,
  fleetToken,
  greet,
  joined,
  nodeToken,
  startNodeLink,
  TestStream,
} from '../../fixtures/node-link.ts';

describe('a node', () => {
  test('enrols, connects, beats and is answered', async () => {
    const link = await startNodeLink();
    const node = await enrolNode(link);
    const stream = await joined(link, node);
    expect(stream.welcome).toMatchObject({
      nodeId: node.nodeId,
      heartbeatMillis: 3_000,
      stored: { changeSequence: 0n, telemetrySequence: 0n },
      standing: { cordoned: false, draining: false },
      telemetryWindow: 16,
    });
    expect(link.links.isLive(node.nodeId)).toBe(true);
    for (const sequence of [1, 2, 3]) stream.beat(sequence);
    for (const sequence of [1n, 2n, 3n]) expect(await stream.next('heartbeatReply')).toEqual({ sequence });
    expect(link.ingest.beats).toEqual([1n, 2n, 3n]);
    stream.call.end();
    expect(await stream.ended).toMatchObject({ status: 'OK' });
    expect(link.ingest.seen).toEqual(['joined', 'left']);
    expect(link.links.count).toBe(0);
    expect(await link.metric('gpubroker_node_messages_total', '{type="heartbeat"}')).toBe(3);
    expect(await link.metric('gpubroker_enrolments_total', '{outcome="new"}')).toBe(1);
    expect(await link.metric('gpubroker_heartbeat_gaps_total')).toBe(0);
  });

  test('whose connection is cut while it enrols gets the same answer when it asks again', async () => {
    const link = await startNodeLink();
    const { token } = await fleetToken(link.db, link.cluster, 1);
    const request = new NodeKey().enrolRequest(token, machine('a'));
    const first = link.client();
    const lost = enrollBy(first, request);
    // Cut after the broker has stored the enrolment, whether or not the answer was on its way.
    while ((await link.db.selectFrom('enrolments').select('node_id').execute()).length === 0);
    first.close();
    await lost.catch(() => undefined);
    const again = await enrollBy(link.client(), request);
    const stored = await link.db.selectFrom('enrolments').selectAll().executeTakeFirstOrThrow();
    expect(again).toMatchObject({ nodeId: stored.node_id, credential: { id: stored.credential_id } });
    expect(await link.metric('gpubroker_enrolments_total', '{outcome="repeated"}')).toBe(1);
  });

  test('counts a heartbeat that does not follow, and goes on', async () => {
    const link = await startNodeLink();
    const stream = await joined(link, await enrolNode(link));
    for (const sequence of [1, 3, 4]) stream.beat(sequence);
    for (const sequence of [1n, 3n, 4n]) expect(await stream.next('heartbeatReply')).toEqual({ sequence });
    expect(await link.metric('gpubroker_heartbeat_gaps_total')).toBe(1);
  });
});

describe('Enroll is refused', () => {
  test('to another key with a token that is used up', async () => {
    const link = await startNodeLink();
    const { token } = await nodeToken(link.db, link.cluster, await addNode(link.db, link.cluster, 'a'));
    await enrollBy(link.client(), new NodeKey().enrolRequest(token, machine('a')));
    const replay = enrollBy(link.client(), new NodeKey().enrolRequest(token, machine('a')));
    await expect(replay).rejects.toMatchObject({ status: 'UNAUTHENTICATED', code: 'GPUB_TOKEN_USED' });
    expect(await link.db.selectFrom('incidents').select('kind').execute()).toEqual([{ kind: 'token-replay' }]);
    expect(await link.metric('gpubroker_node_link_refusals_total', '{code="GPUB_TOKEN_USED"}')).toBe(1);
  });

  test('after the token has expired, and with one of another broker', async () => {
    let now = new Date();
    const link = await startNodeLink({ now: () => now });
    const { token } = await fleetToken(link.db, link.cluster, 1);
    now = new Date(now.getTime() + 7_200_000);
    const late = enrollBy(link.client(), new NodeKey().enrolRequest(token, machine('a')));
    await expect(late).rejects.toMatchObject({ status: 'UNAUTHENTICATED', code: 'GPUB_TOKEN_EXPIRED' });
    const foreign = enrollBy(link.client(), new NodeKey().enrolRequest('gpbt_of-another-broker', machine('a')));
    await expect(foreign).rejects.toMatchObject({ status: 'UNAUTHENTICATED', code: 'GPUB_TOKEN_UNKNOWN' });
  });

  test('while the node is connected', async () => {
    const link = await startNodeLink();
    const node = await enrolNode(link);
    await joined(link, node);
    const { token } = await nodeToken(link.db, link.cluster, node.nodeId);
    const attempt = enrollBy(link.client(), new NodeKey().enrolRequest(token, node.identity));
    await expect(attempt).rejects.toMatchObject({ status: 'ALREADY_EXISTS', code: 'GPUB_NODE_EXISTS' });
  });

  test('to an address that asks too often', async () => {
    const link = await startNodeLink({ limits: { enrolmentBurst: 2, enrolmentsPerSecond: 0 } });
    const client = link.client();
    const attempt = () => enrollBy(client, new NodeKey().enrolRequest('gpbt_x', machine('a')));
    for (const _ of [1, 2]) await expect(attempt()).rejects.toMatchObject({ code: 'GPUB_TOKEN_UNKNOWN' });
    await expect(attempt()).rejects.toMatchObject({ status: 'RESOURCE_EXHAUSTED', code: 'GPUB_TOO_MANY_ENROLMENTS' });
  });

  test('but not to a fleet behind one address: who enrols has its attempt back', async () => {
    const link = await startNodeLink({ limits: { enrolmentBurst: 1, enrolmentsPerSecond: 0 } });
    const { token } = await fleetToken(link.db, link.cluster, 3);
    for (const name of ['a', 'b', 'c']) {
      const request = new NodeKey().enrolRequest(token, machine(name));
      expect((await enrollBy(link.client(), request)).nodeId).not.toBe('');
    }
  });

  test('when the request is larger than a stranger may send', async () => {
    const link = await startNodeLink();
    const attempt = enrollBy(link.client(), new NodeKey().enrolRequest('x'.repeat(65_536), machine('a')));
    await expect(attempt).rejects.toMatchObject({ status: 'RESOURCE_EXHAUSTED' });
  });
});

describe('Connect is refused', () => {
  const refused = async (stream: TestStream, status: string, code: string) =>
    expect(await stream.ended).toMatchObject({ status, code });

  test("with another node's credential", async () => {
    const link = await startNodeLink();
    const [one, other] = [await enrolNode(link, 'a'), await enrolNode(link, 'b')];
    const stream = await greet(link.client(), { ...one, credentialId: other.credentialId });
    await refused(stream, 'UNAUTHENTICATED', 'GPUB_PROOF_REFUSED');
    expect(link.ingest.seen).toEqual([]);
  });

  test('with a hello that answers another nonce', async () => {
    const link = await startNodeLink();
    const { key, credentialId, identity } = await enrolNode(link);
    const stream = new TestStream(link.client());
    await stream.next('nonce');
    stream.send({ hello: key.hello(credentialId, randomBytes(32), identity) });
    await refused(stream, 'UNAUTHENTICATED', 'GPUB_PROOF_REFUSED');
  });

  test('with a credential that has ended', async () => {
    let now = new Date();
    const link = await startNodeLink({ now: () => now });
    const node = await enrolNode(link);
    now = new Date(now.getTime() + 31 * 86_400_000);
    await refused(await greet(link.client(), node), 'UNAUTHENTICATED', 'GPUB_CREDENTIAL_EXPIRED');
  });

  test('without a hello in time', async () => {
    const link = await startNodeLink({ limits: { helloDeadline: 50, sweepInterval: 20 } });
    await refused(new TestStream(link.client()), 'DEADLINE_EXCEEDED', 'GPUB_NODE_SILENT');
  });

  test('when something else comes before the hello', async () => {
    const link = await startNodeLink();
    const stream = new TestStream(link.client());
    stream.beat(1);
    await refused(stream, 'FAILED_PRECONDITION', 'GPUB_PROTOCOL');
  });

  test('with simulated GPUs', async () => {
    const link = await startNodeLink();
    const node = await enrolNode(link);
    const simulated = { ...node, identity: { ...node.identity, sources: ['nvml', 'simulated'] } };
    await refused(await greet(link.client(), simulated), 'PERMISSION_DENIED', 'GPUB_SIMULATED_REFUSED');
  });

  test('when the most streams are open', async () => {
    const link = await startNodeLink({ limits: { connections: 1 } });
    const client = link.client();
    await new TestStream(client).next('nonce');
    await refused(new TestStream(client), 'RESOURCE_EXHAUSTED', 'GPUB_TOO_MANY_STREAMS');
  });
});
