// The link against a broker that behaves, and one that does not: joining, order, windows, silence, flow control.
import { status } from '@grpc/grpc-js';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readToken } from '../../src/broker-client/enrol.ts';
import { type LinkedNode, newNodeFolder, removeNodeFolders, startNode } from '../fixtures/linked-node.ts';
import { type NodeLinkStandIn, startNodeLinkServer } from '../fixtures/node-link-server.ts';

let broker: NodeLinkStandIn;
const nodes: LinkedNode[] = [];
beforeEach(async () => {
  broker = await startNodeLinkServer();
});
afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.stop()));
  broker.remove();
  removeNodeFolders();
});

async function start(...given: Parameters<typeof startNode> extends [unknown, ...infer Rest] ? Rest : never) {
  const node = await startNode(broker, ...given);
  nodes.push(node);
  return node;
}

const until = (what: () => unknown) => expect.poll(what, { timeout: 8_000, interval: 10 });
const messages = () => broker.changes.map(({ changed, removed }) => changed?.conditions[0]?.message ?? `-${removed}`);
const sample = { gpu: 'a', utilizationPercent: 5 };

test('a node joins, connects, and tells all that it has and what changes', async () => {
  const { node, link, phases } = await start();
  await until(() => broker.streams[0]?.snapshots.length).toBe(1);
  node.set('a', '1');
  node.set('a', '2');
  node.remove('a');
  node.waiting.push(sample);
  await until(messages).toEqual(['1', '2', '-a']);
  await until(() => broker.telemetry.map(({ samples }) => samples[0]?.utilizationPercent)).toEqual([5]);
  expect(broker.changes.map(({ sequence }) => sequence)).toEqual([1n, 2n, 3n]);
  expect(link.state).toMatchObject({ phase: 'streaming', reason: '', nodeId: 'node-1', reconnects: 0 });
  expect(link.state.lastStored).toBeInstanceOf(Date);
  expect(phases).toEqual(['enrolling', 'connecting', 'proving', 'streaming']);
  expect(broker.enrolments[0]?.identity).toMatchObject({ nodeName: 'node', sources: ['simulated'] });
});

test('an Enroll that is cut is asked again with the same key, and gives the same credential', async () => {
  broker.behaviour.enroll = 'cut';
  const { link } = await start();
  await until(() => broker.enrolments.length).toBeGreaterThan(1);
  broker.behaviour.enroll = 'grant';
  await until(() => link.state.phase).toBe('streaming');
  expect(new Set(broker.enrolments.map(({ publicKey }) => publicKey.toString('hex'))).size).toBe(1);
  expect(broker.credentials.size).toBe(1);
});

test('a token that is refused ends the link with the reason; one that cannot be judged now does not', async () => {
  broker.behaviour.enroll = { code: status.UNAVAILABLE, details: 'the database is away' };
  const { link, running } = await start();
  await until(() => link.state.reason).toBe('the node cannot join yet: the database is away');
  broker.behaviour.enroll = { code: status.UNAUTHENTICATED, details: 'the token is used up' };
  await expect(running).rejects.toMatchObject({
    code: 'GPUB_JOIN_REFUSED',
    message: 'the broker refuses to let this node join: the token is used up',
  });
  expect(link.state.phase).toBe('stopped');
});

test('a broker whose certificate is of another authority is never told the token', async () => {
  const other = await startNodeLinkServer();
  try {
    const { link } = await start({ folder: newNodeFolder() });
    await until(() => link.state.phase).toBe('streaming');
    const stranger = await startNode({ ...broker, url: broker.url, caPath: other.caPath });
    nodes.push(stranger);
    await until(() => stranger.link.state.reason).toMatch(/certificate|UNABLE|signature/i);
    expect(broker.enrolments).toHaveLength(1);
  } finally {
    other.remove();
  }
});

test('what happened while the broker was away arrives in order and once, then a snapshot', async () => {
  const { node, link } = await start();
  node.set('a', '0');
  await until(messages).toEqual(['0']);
  broker.leave();
  await until(() => link.state.phase).not.toBe('streaming');
  for (let i = 1; i <= 300; i += 1) node.set(i % 2 ? 'a' : 'b', `${i}`);
  for (let i = 0; i < 5; i += 1) {
    node.waiting.push(sample);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  await broker.comeBack();
  await until(() => broker.changes.length).toBe(301);
  expect(messages()).toEqual(Array.from({ length: 301 }, (_, i) => `${i}`));
  await until(() => broker.stream().snapshots.length).toBe(1);
  expect(broker.stream().snapshots[0]).toMatchObject({ sequence: 301n, gpus: [{}, {}] });
  expect(broker.stream().kinds.lastIndexOf('changes')).toBeLessThan(broker.stream().kinds.indexOf('snapshot'));
  await until(() => broker.telemetry.length).toBeGreaterThanOrEqual(4);
  expect(link.state.reconnects).toBeGreaterThan(0);
});

test('what was not stored before a restart is sent after it, under the same spool and without a token', async () => {
  broker.behaviour.stores = false;
  const first = await start();
  first.node.set('a', '1');
  await until(messages).toEqual(['1']);
  broker.leave();
  first.node.set('a', '2');
  first.node.set('a', '3');
  await until(() => first.spool.bytes('changes') > 0 && first.spool.waiting).toBeGreaterThan(2);
  await first.stop();
  broker.behaviour.stores = true;
  await broker.comeBack();
  const token = () => {
    throw new Error('no token file');
  };
  const again = await start({ folder: first.folder, token });
  await until(messages).toEqual(['1', '2', '3']);
  expect(new Set(broker.streams.map(({ hello }) => hello.spoolId)).size).toBe(1);
  expect(broker.enrolments).toHaveLength(1);
  await until(() => again.spool.waiting).toBe(0);
});

test('a broker that has lost what it stored gets what is left under a new spool', async () => {
  const { node } = await start();
  node.set('a', '1');
  await until(messages).toEqual(['1']);
  const { hello } = broker.stream();
  // As after its database was restored from a copy of before.
  await until(() => broker.stream().kinds.includes('snapshot')).toBe(true);
  Object.assign((broker as unknown as { stored(id: string): object }).stored(hello.spoolId), { changeSequence: 0n });
  broker.leave();
  node.set('a', '2');
  await broker.comeBack();
  await until(messages).toEqual(['1', '2']);
  expect(broker.stream().hello.spoolId).not.toBe(hello.spoolId);
  expect(broker.changes.at(-1)?.sequence).toBe(1n);
});

test('telemetry is sent ahead of what is stored only as far as the window goes', async () => {
  Object.assign(broker.behaviour, { stores: false, telemetryWindow: 3 });
  const { node, spool } = await start();
  for (let i = 0; i < 10; i += 1) {
    await until(() => node.waiting.length).toBe(0);
    node.waiting.push(sample);
  }
  await until(() => spool.waiting).toBe(10);
  expect(broker.telemetry).toHaveLength(3);
  broker.behaviour.stores = true;
  broker.stream().send({ stored: { changeSequence: 0n, telemetrySequence: 3n } });
  await until(() => broker.telemetry.length).toBe(10);
  await until(() => spool.waiting).toBe(0);
});

test('a snapshot is sent for every inventory that is pulled', async () => {
  const { node } = await start();
  node.set('a', '1');
  await until(() => broker.streams[0]?.snapshots.length).toBe(1);
  broker.stream().send({ pullInventory: { id: 'one' } });
  broker.stream().send({ pullInventory: { id: 'two' } });
  await until(() => broker.stream().snapshots.map(({ pullId }) => pullId)).toEqual([undefined, 'one', 'two']);
  expect(broker.stream().snapshots.at(-1)?.gpus).toHaveLength(1);
});

test('heartbeats count up and carry the time that the answer took', async () => {
  broker.behaviour.heartbeatMillis = 100;
  await start();
  await until(() => broker.streams[0]?.beats.length).toBeGreaterThan(2);
  const beats = broker.stream().beats.slice(0, 3);
  expect(beats.map(({ sequence }) => sequence)).toEqual([1n, 2n, 3n]);
  expect(beats[0]?.roundTripMicros).toBeUndefined();
  expect(beats[2]?.roundTripMicros).toBeGreaterThan(0);
});

test('a broker that answers no heartbeat is left after three, and tried again', async () => {
  Object.assign(broker.behaviour, { heartbeatMillis: 100, answersBeats: false });
  const { link, logged } = await start();
  await until(() => broker.streams.length).toBeGreaterThan(1);
  expect(logged.map(({ reason }) => reason)).toContain('the broker has not answered three heartbeats');
  broker.behaviour.answersBeats = true;
  await until(() => link.state.phase).toBe('streaming');
});

test('of a broker that does not read, little is kept in memory, and it is left', async () => {
  Object.assign(broker.behaviour, { heartbeatMillis: 300, reads: false, telemetryWindow: 1024 });
  const { node, spool, logged } = await start();
  await until(() => broker.streams.length).toBe(1);
  let handedOver = 0;
  let most = 0;
  const read = spool.changesAfter.bind(spool);
  spool.changesAfter = async (after) => {
    const changes = await read(after);
    // Of one stream: what was not stored is sent again on the next.
    handedOver = after === 0n ? changes.length : handedOver + changes.length;
    most = Math.max(most, handedOver);
    return changes;
  };
  const long = 'x'.repeat(20_000);
  for (let i = 1; i <= 600; i += 1) {
    node.set('a', `${i}${long}`);
    // So that the disk can follow.
    if (i % 50 === 0) await until(async () => (await read(BigInt(i - 1))).length).toBe(1);
  }
  await until(() => broker.streams[0]?.ended).toBe(true);
  // What the stream and the sockets buffer, of 12 MB.
  expect(most).toBeLessThan(250);
  expect(logged.map(({ reason }) => reason)).toContain('the broker has not answered three heartbeats');
  broker.behaviour.reads = true;
  await until(() => broker.changes.length).toBe(600);
});

test('a node that was sent away says why and comes back rarely, but it comes back', async () => {
  broker.behaviour.connect = { code: status.PERMISSION_DENIED, details: 'the node is decommissioned' };
  const { link, logged } = await start();
  await until(() => link.state.reason).toBe('the broker does not let this node connect: the node is decommissioned');
  expect(logged.find(({ level }) => level === 'error')?.msg).toBe('the broker does not let this node connect');
  broker.behaviour.connect = 'welcome';
  await until(() => link.state.phase).toBe('streaming');
});

test('a challenge is refused, for nothing can work on it yet', async () => {
  await start();
  await until(() => broker.streams[0]?.snapshots.length).toBe(1);
  const challenge = { id: 'c', kind: 'proof-of-gpu/1', gpus: [], payload: Buffer.alloc(0), deadline: undefined };
  broker.stream().send({ challenge });
  await until(() => broker.results).toMatchObject([{ id: 'c', refused: 'not supported yet: proof-of-gpu/1' }]);
});

test('what the broker lets the node do is passed on', async () => {
  const { link } = await start();
  await until(() => link.state.standing).toEqual({ cordoned: false, draining: false });
  broker.stream().send({ standing: { cordoned: true, draining: false } });
  await until(() => link.state.standing).toEqual({ cordoned: true, draining: false });
});

test('more changes than are kept become what they led to', async () => {
  broker.leave();
  const { node, spool } = await start();
  for (let i = 0; i < 10_050; i += 1) {
    node.set('a', `${i}`);
    if (i % 500 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  expect(spool.dropped('changes')).toBe(10_000);
  await broker.comeBack();
  await until(() => messages().length).toBe(50);
  expect(messages().at(-1)).toBe('10049');
  expect(broker.changes[0]?.sequence).toBe(1n);
  await until(() => broker.stream().snapshots[0]?.gpus[0]?.conditions[0]?.message).toBe('10049');
});

test('a burst that the disk cannot follow loses steps, never the end of it', async () => {
  const { node } = await start();
  await until(() => broker.streams[0]?.snapshots.length).toBe(1);
  const long = 'x'.repeat(20_000);
  for (let i = 0; i < 1_000; i += 1) node.set('a', `${i}${long}`);
  await until(() => broker.changes.at(-1)?.changed?.conditions[0]?.message).toBe(`999${long}`);
  await until(() => broker.stream().snapshots.at(-1)?.gpus[0]?.conditions[0]?.message).toBe(`999${long}`);
  expect(broker.changes.length).toBeLessThan(1_000);
});

test('a token file that is gone for a moment, or a disk that is full, does not end the link', async () => {
  let tries = 0;
  const token = () => {
    tries += 1;
    return tries === 1 ? readToken('/nonexistent/token') : 'a-token';
  };
  const { link, logged } = await start({ token });
  await until(() => link.state.phase).toBe('streaming');
  expect(logged.find(({ msg }) => msg === 'the node cannot join the broker yet')?.reason).toContain('ENOENT');
});
