// The node's end of the link against the broker's own: the real server, ingest and database.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ServerCredentials } from '@grpc/grpc-js';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { afterEach, expect, onTestFinished, test } from 'vitest';
import { createNodeLink } from '../../src/broker/api/node-link/node-link.ts';
import { Refusal } from '../../src/broker/refusal.ts';
import { createIngest } from '../../src/broker/registry/ingest/ingest.ts';
import { createNodeToken } from '../../src/broker/registry/joining/enrolment.ts';
import { authorityFiles, ownCertificate } from '../../src/broker/tls/authority.ts';
import { testDatabase } from '../fixtures/database.ts';
import { addCluster, addNode } from '../fixtures/joining.ts';
import { type LinkedNode, removeNodeFolders, startNode } from '../fixtures/linked-node.ts';
import { FakeMeasurements, measurementOf } from '../fixtures/measurement.ts';

const nodes: LinkedNode[] = [];
afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.stop()));
  removeNodeFolders();
});

const until = (what: () => unknown) => expect.poll(what, { timeout: 10_000, interval: 20 });
const lifetime = 3_000_000;

/** A broker whose credentials are due for rotation at once where `credentialLifetime` is short. */
async function startBroker(credentialLifetime = lifetime) {
  const { db } = await testDatabase();
  const folder = mkdtempSync(join(tmpdir(), 'gpb-broker-'));
  const { cert, key } = await ownCertificate(folder, ['127.0.0.1'], new Date());
  const registry = new Registry();
  const log = pino({ level: 'silent' });
  const now = () => new Date();
  const heartbeatMs = 200;
  const ingest = createIngest({ database: db, now, log, registry, heartbeatMs });
  await ingest.start();
  const rounds: string[] = [];
  const telemetry = {
    add: async (_node: string, _spool: string | undefined, added: readonly { samples: { gpu: string }[] }[]) => {
      rounds.push(...added.flatMap(({ samples }) => samples.map(({ gpu }) => gpu)));
    },
  };
  const measured: string[] = [];
  const measurements = {
    refusal: undefined as Refusal | undefined,
    take: async (nodeId: string, { id }: { id: string }) => {
      if (measurements.refusal) throw measurements.refusal;
      measured.push(`${nodeId} ${id}`);
    },
  };
  let address = '127.0.0.1:0';
  const open = async () => {
    const link = createNodeLink({
      db,
      ingest,
      telemetry,
      measurements,
      log,
      now,
      registry: new Registry(),
      heartbeatInterval: heartbeatMs,
      allowSimulated: true,
      credentialLifetime,
      credentials: ServerCredentials.createSsl(null, [{ cert_chain: cert, private_key: key }]),
      limits: { sweepInterval: 50 },
    });
    address = `127.0.0.1:${await link.start(address)}`;
    return link;
  };
  let link = await open();
  onTestFinished(async () => {
    await link.stop(AbortSignal.abort());
    await ingest.close();
    rmSync(folder, { recursive: true });
  });
  const cluster = await addCluster(db);
  const nodeId = await addNode(db, cluster, 'node');
  const made = await createNodeToken(db, now(), { clusterId: cluster.clusterId, nodeId, lifetimeMs: lifetime });
  return {
    db,
    nodeId,
    rounds,
    measured,
    measurements,
    token: () => made.token,
    /** As the fixtures of nodes want it. */
    at: { url: `https://${address}`, caPath: authorityFiles(folder).caCert } as Parameters<typeof startNode>[0],
    leave: () => link.stop(AbortSignal.abort()),
    comeBack: async () => {
      link = await open();
    },
    gpus: async () => {
      const rows = await db.selectFrom('gpus').select(['name', 'removed_at']).orderBy('name').execute();
      return rows.filter(({ removed_at }) => removed_at === null).map(({ name }) => name);
    },
  };
}

test('a node joins with its token, and what happens to it is in the database, also after the broker was away', async () => {
  const broker = await startBroker();
  const node = await startNode(broker.at, { token: broker.token });
  nodes.push(node);
  await until(() => node.link.state.phase).toBe('streaming');
  expect(node.link.state.nodeId).toBe(broker.nodeId);
  node.node.set('gpu-a', '1');
  await until(broker.gpus).toEqual(['gpu-a']);
  await broker.leave();
  await until(() => node.link.state.phase).not.toBe('streaming');
  node.node.set('gpu-b', '1');
  node.node.remove('gpu-a');
  node.node.waiting.push({ gpu: 'gpu-b', utilizationPercent: 3 });
  await broker.comeBack();
  await until(broker.gpus).toEqual(['gpu-b']);
  await until(() => broker.rounds).toEqual(['gpu-b']);
  await until(() => node.spool.waiting).toBe(0);
});

test('a token is good for one key: another node with it is told so', async () => {
  const broker = await startBroker();
  const node = await startNode(broker.at, { token: broker.token });
  nodes.push(node);
  await until(() => node.link.state.phase).toBe('streaming');
  const other = await startNode(broker.at, { token: broker.token });
  nodes.push(other);
  await expect(other.running).rejects.toMatchObject({
    code: 'GPUB_JOIN_REFUSED',
    message: expect.stringContaining('[GPUB_TOKEN_USED]'),
  });
});

test('the key is rotated when the broker asks, and the new one is good', async () => {
  const broker = await startBroker(3_000);
  const node = await startNode(broker.at, { token: broker.token });
  nodes.push(node);
  await until(() => node.link.state.phase).toBe('streaming');
  const first = node.store.current?.credentialId;
  await until(() => node.store.current?.credentialId).not.toBe(first);
  await broker.leave();
  await broker.comeBack();
  await until(() => node.link.state.reconnects).toBeGreaterThan(0);
  await until(() => node.link.state.phase).toBe('streaming');
});

test('a measurement arrives, also where the broker could not store it at first', async () => {
  const broker = await startBroker();
  const [first, second] = [measurementOf('gpu-a'), measurementOf('gpu-a')];
  const measurements = new FakeMeasurements(first);
  broker.measurements.refusal = new Refusal('unavailable', 'GPUB_UNAVAILABLE', 'the database is away');
  const node = await startNode(broker.at, { token: broker.token, measurements });
  nodes.push(node);
  await until(() => node.link.state.phase).toBe('streaming');
  measurements.add(second);
  await broker.leave();
  broker.measurements.refusal = undefined;
  await broker.comeBack();
  await until(() => measurements.unsent()).toEqual([]);
  expect(broker.measured).toEqual([`${broker.nodeId} ${first.id}`, `${broker.nodeId} ${second.id}`]);
});
