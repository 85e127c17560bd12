// Many links in one process, as a load generator has them: nothing on disk, keys that are given, channels of one kind.
import { afterEach, expect, test } from 'vitest';
import { CredentialMemory } from '../../src/broker-client/credential-store.ts';
import { newNodeKey } from '../../src/broker-client/node-key.ts';
import { Spool } from '../../src/broker-client/spool/spool.ts';
import { type LinkedNode, startNode } from '../fixtures/linked-node.ts';
import { startNodeLinkServer } from '../fixtures/node-link-server.ts';

const nodes: LinkedNode[] = [];
afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.stop()));
});

const until = (what: () => unknown) => expect.poll(what, { timeout: 15_000, interval: 20 });
const quiet = () => undefined;
const inMemory = () =>
  Spool.open({ folder: undefined, telemetryBytes: 64 * 1024, boot: '', trouble: quiet, warning: quiet });

test('fifty nodes in memory join, report, lose the broker, and come back with what happened', async () => {
  const broker = await startNodeLinkServer({ heartbeatMillis: 1_000 });
  try {
    for (let i = 0; i < 50; i += 1) {
      const store = new CredentialMemory(undefined, newNodeKey());
      nodes.push(await startNode(broker, { spool: await inMemory(), store, folder: '/nonexistent' }));
    }
    await until(() => nodes.filter(({ link }) => link.state.phase === 'streaming').length).toBe(50);
    for (const { node } of nodes) node.set('a', 'before');
    await until(() => broker.changes.length).toBe(50);
    broker.leave();
    for (const { node } of nodes) node.set('a', 'meanwhile');
    await broker.comeBack();
    await until(() => broker.changes.length).toBe(100);
    expect(new Set(broker.streams.map(({ hello }) => hello.spoolId)).size).toBe(50);
    expect(broker.credentials.size).toBe(50);
  } finally {
    await Promise.all(nodes.splice(0).map((node) => node.stop()));
    broker.remove();
  }
});

test('a node whose credential is given needs no token', async () => {
  const broker = await startNodeLinkServer();
  try {
    const first = await startNode(broker, { spool: await inMemory(), store: new CredentialMemory() });
    nodes.push(first);
    await until(() => first.link.state.phase).toBe('streaming');
    const given = first.store.current;
    await nodes.pop()?.stop();
    const token = () => {
      throw new Error('no token');
    };
    const again = await startNode(broker, { spool: await inMemory(), store: new CredentialMemory(given), token });
    nodes.push(again);
    await until(() => again.link.state.phase).toBe('streaming');
    expect(broker.enrolments).toHaveLength(1);
  } finally {
    await Promise.all(nodes.splice(0).map((node) => node.stop()));
    broker.remove();
  }
});
