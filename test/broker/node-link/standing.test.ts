// Who has a node's place, what the broker asks of nodes, key rotation, and how streams end.

import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { NodeKey } from '../../fixtures/joining.ts';
import { enrolNode, greet, joined, startNodeLink, until } from '../../fixtures/node-link.ts';

const soon = (ms = 5_000) => new Date(Date.now() + ms);

describe('a second stream of a node', () => {
  test('of the same boot takes over', async () => {
    const link = await startNodeLink();
    const node = await enrolNode(link);
    const old = await joined(link, node);
    const restarted = { ...node, identity: { ...node.identity, processId: randomUUID() } };
    const fresh = await joined(link, restarted);
    expect(await old.ended).toMatchObject({ status: 'ABORTED', code: 'GPUB_STREAM_REPLACED' });
    expect(link.ingest.seen).toEqual(['joined', 'left', 'joined']);
    fresh.beat(1);
    await fresh.next('heartbeatReply');
    expect(link.links.count).toBe(1);
  });

  test.each(['machineId', 'bootId'])('with another %s is refused while the first is alive', async (field) => {
    const link = await startNodeLink();
    const node = await enrolNode(link);
    const first = await joined(link, node);
    const copy = await greet(link.client(), { ...node, identity: { ...node.identity, [field]: randomUUID() } });
    expect(await copy.ended).toMatchObject({ status: 'ALREADY_EXISTS', code: 'GPUB_NODE_DUPLICATE' });
    const incidents = await link.db.selectFrom('incidents').select(['kind', 'subject']).execute();
    expect(incidents).toEqual([{ kind: 'duplicate-node', subject: `node:${node.nodeId}` }]);
    first.beat(1);
    await first.next('heartbeatReply');
    expect(link.ingest.seen).toEqual(['joined']);
  });

  test('with another boot id takes over when the first has been silent for two heartbeats', async () => {
    const link = await startNodeLink({ heartbeatInterval: 50, limits: { sweepInterval: 60_000 } });
    const node = await enrolNode(link);
    const first = await joined(link, node);
    await sleep(120);
    await joined(link, { ...node, identity: { ...node.identity, bootId: randomUUID() } });
    expect(await first.ended).toMatchObject({ status: 'ABORTED' });
  });
});

describe('the broker asks a node', () => {
  test('for its inventory, and hears when it is stored', async () => {
    const link = await startNodeLink();
    const node = await enrolNode(link);
    const stream = await joined(link, node);
    const pulled = link.links.pullInventory(node.nodeId, soon());
    const { id } = await stream.next('pullInventory');
    stream.send({ snapshot: { sequence: 0n, time: new Date(), gpus: [] } });
    await stream.next('stored');
    expect(await Promise.race([pulled, 'not yet'])).toBe('not yet');
    stream.send({ snapshot: { sequence: 0n, time: new Date(), gpus: [], pullId: id } });
    await pulled;
    expect(link.ingest.seen).toEqual(['joined', 'snapshot 0', 'snapshot 0']);
  });

  test('to work on a challenge, and gets each answer', async () => {
    const link = await startNodeLink();
    const node = await enrolNode(link);
    const stream = await joined(link, node);
    const work = (payload: string) => ({ kind: 'proof-of-gpu/1', gpus: ['gpu-0'], payload: Buffer.from(payload) });
    const answers = ['one', 'two'].map((text) => link.links.challenge(node.nodeId, work(text), soon()));
    const [one, two] = [await stream.next('challenge'), await stream.next('challenge')];
    expect(one).toMatchObject({ kind: 'proof-of-gpu/1', gpus: ['gpu-0'], payload: Buffer.from('one') });
    stream.send({ challengeResult: { id: two.id, payload: Buffer.from('2'), refused: '' } });
    stream.send({ challengeResult: { id: one.id, payload: Buffer.alloc(0), refused: 'busy' } });
    stream.send({ challengeResult: { id: 'nobody asked', payload: Buffer.alloc(0), refused: '' } });
    expect(await Promise.all(answers)).toMatchObject([{ refused: 'busy' }, { payload: Buffer.from('2') }]);
  });

  test('and hears nothing: the deadline, the end of the stream, too many questions, no such node', async () => {
    const link = await startNodeLink({ limits: { questions: 2 } });
    const node = await enrolNode(link);
    const stream = await joined(link, node);
    const pull = (ms?: number) => link.links.pullInventory(node.nodeId, soon(ms)).catch((error) => error.code);
    expect(await pull(20)).toBe('GPUB_NODE_SILENT');
    const [one, two] = [pull(), pull()];
    expect(await pull()).toBe('GPUB_NODE_BUSY');
    stream.call.end();
    expect(await Promise.all([one, two])).toEqual(['GPUB_NODE_OFFLINE', 'GPUB_NODE_OFFLINE']);
    expect(await pull()).toBe('GPUB_NODE_OFFLINE');
  });
});

test('a node hears of its standing, and is sent away when it is decommissioned', async () => {
  const link = await startNodeLink();
  const node = await enrolNode(link);
  const stream = await joined(link, node);
  for (const listener of link.ingest.listeners) listener(node.nodeId, { cordoned: true, draining: false });
  expect(await stream.next('standing')).toEqual({ cordoned: true, draining: false });
  for (const listener of link.ingest.listeners) listener(node.nodeId, 'decommissioned');
  expect(await stream.ended).toMatchObject({ status: 'PERMISSION_DENIED', code: 'GPUB_NODE_DECOMMISSIONED' });
  expect(link.links.setStanding(node.nodeId, { cordoned: false, draining: false })).toBe(false);
});

test('a node that is dismissed hears why', async () => {
  const link = await startNodeLink();
  const node = await enrolNode(link);
  const stream = await joined(link, node);
  expect(link.links.disconnect(node.nodeId, 'the provider was suspended')).toBe(true);
  expect(await stream.ended).toMatchObject({ status: 'PERMISSION_DENIED', details: 'the provider was suspended' });
  expect(link.links.disconnect(node.nodeId, 'again')).toBe(false);
});

describe('a key is rotated', () => {
  const lifetime = 3_000_000;

  async function due() {
    let now = new Date();
    const link = await startNodeLink({
      now: () => now,
      credentialLifetime: lifetime,
      heartbeatInterval: 10 * lifetime,
      limits: { sweepInterval: 10 },
    });
    const node = await enrolNode(link);
    const stream = await joined(link, node);
    const pass = (ms: number) => {
      now = new Date(now.getTime() + ms);
    };
    return { link, node, stream, pass };
  }

  test('when a third of its life has passed; the old one ends with the first hello of the new', async () => {
    const { link, node, stream, pass } = await due();
    await sleep(50);
    expect(stream.messages.filter(({ rotateKey }) => rotateKey)).toEqual([]);
    pass(lifetime / 3);
    await stream.next('rotateKey');
    const key = new NodeKey();
    stream.send({ newKey: key.newKey(node.credentialId) });
    const { id } = await stream.next('credential');
    stream.beat(1);
    await stream.next('heartbeatReply');
    await joined(link, { ...node, key, credentialId: id });
    const old = await greet(link.client(), node);
    expect(await old.ended).toMatchObject({ status: 'UNAUTHENTICATED', code: 'GPUB_CREDENTIAL_REVOKED' });
    expect(link.links.isLive(node.nodeId)).toBe(true);
  });

  test('after a cut before the credential came: the same key again gets it', async () => {
    const { link, node, stream, pass } = await due();
    pass(lifetime / 3);
    await stream.next('rotateKey');
    const key = new NodeKey();
    stream.send({ newKey: key.newKey(node.credentialId) });
    await until(async () => (await link.db.selectFrom('node_credentials').select('id').execute()).length === 2);
    stream.call.cancel();
    const again = await joined(link, node);
    await again.next('rotateKey');
    again.send({ newKey: key.newKey(node.credentialId) });
    const { id } = await again.next('credential');
    await joined(link, { ...node, key, credentialId: id });
  });

  test('and a stream does not outlive its credential', async () => {
    const { stream, pass } = await due();
    pass(lifetime);
    expect(await stream.ended).toMatchObject({ status: 'ABORTED', code: 'GPUB_CREDENTIAL_ENDED' });
  });
});

describe('a stream ends', () => {
  test('without heartbeats for three intervals', async () => {
    const link = await startNodeLink({ heartbeatInterval: 30, limits: { sweepInterval: 10 } });
    const stream = await joined(link, await enrolNode(link));
    expect(await stream.ended).toMatchObject({ status: 'DEADLINE_EXCEEDED', code: 'GPUB_NODE_SILENT' });
    expect(link.ingest.seen).toEqual(['joined', 'left']);
  });

  test('when the connection is cut', async () => {
    const link = await startNodeLink();
    const node = await enrolNode(link);
    const client = link.client();
    const stream = await joined(link, node, client);
    stream.call.cancel();
    await until(() => link.links.count === 0);
    expect(link.ingest.seen).toEqual(['joined', 'left']);
  });

  test('when the broker stops: nodes are told to come back, and nobody gets in any more', async () => {
    const link = await startNodeLink();
    const node = await enrolNode(link);
    const client = link.client();
    const stream = await joined(link, node, client);
    const stopped = link.link.stop(AbortSignal.timeout(5_000));
    expect(await stream.ended).toMatchObject({ status: 'UNAVAILABLE', code: 'GPUB_BROKER_STOPPING' });
    await stopped;
    expect(link.ingest.seen).toEqual(['joined', 'left']);
  });
});
