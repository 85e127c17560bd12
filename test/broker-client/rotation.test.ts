// The rotation of the key over the wire: the broker asks, the node proves a new key, and a cut anywhere costs nothing.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type LinkedNode, removeNodeFolders, startNode } from '../fixtures/linked-node.ts';
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

async function start(folder?: string): Promise<LinkedNode> {
  const node = await startNode(broker, folder === undefined ? {} : { folder });
  nodes.push(node);
  await until(() => node.link.state.phase).toBe('streaming');
  return node;
}

const until = (what: () => unknown) => expect.poll(what, { timeout: 8_000, interval: 10 });

test('the new credential is used from the next connection on', async () => {
  const { store, link, folder } = await start();
  const before = store.current;
  broker.stream().send({ rotateKey: {} });
  await until(() => store.current?.credentialId).not.toBe(before?.credentialId);
  expect(link.state.phase).toBe('streaming');
  broker.leave();
  await broker.comeBack();
  await until(() => broker.streams.length).toBe(2);
  expect(broker.stream().hello.credentialId).toBe(store.current?.credentialId);
  await nodes.pop()?.stop();
  await start(folder);
  expect(broker.stream().hello.credentialId).toBe(store.current?.credentialId);
});

test('an answer that is cut leaves the old credential; asked again, the node shows the same new key', async () => {
  const { store, folder } = await start();
  const before = store.current;
  broker.behaviour.enroll = 'cut';
  broker.stream().send({ rotateKey: {} });
  await until(() => broker.streams.length).toBe(2);
  expect(broker.stream().hello.credentialId).toBe(before?.credentialId);
  // As a process that was killed meanwhile.
  await nodes.pop()?.stop();
  broker.behaviour.enroll = 'grant';
  const again = await start(folder);
  expect(again.store.current?.credentialId).toBe(before?.credentialId);
  broker.stream().send({ rotateKey: {} });
  await until(() => again.store.current?.credentialId).not.toBe(before?.credentialId);
  expect(new Set(broker.newKeys.map((key) => key.toString('hex'))).size).toBe(1);
});

test('a second request in the same stream is left to the next one', async () => {
  const { store } = await start();
  const before = store.current;
  broker.stream().send({ rotateKey: {} });
  await until(() => store.current?.credentialId).not.toBe(before?.credentialId);
  const rotated = store.current?.credentialId;
  broker.stream().send({ rotateKey: {} });
  broker.stream().send({ credential: { id: 'not asked for', expiresAt: undefined } });
  broker.stream().send({ pullInventory: { id: 'behind it' } });
  await until(() => broker.stream().snapshots.at(-1)?.pullId).toBe('behind it');
  expect(broker.newKeys).toHaveLength(1);
  expect(store.current?.credentialId).toBe(rotated);
});
