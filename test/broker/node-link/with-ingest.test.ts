// The node link with the real ingest behind it: from a node's messages to rows.
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { expect, onTestFinished, test } from 'vitest';
import { createIngest } from '../../../src/broker/registry/ingest/ingest.ts';
import { Device } from '../../../src/wire/gpubroker/device/v1/device_details.ts';
import type { Gpu } from '../../../src/wire/gpubroker/node/v1/node_link.ts';
import { testDatabase } from '../../fixtures/database.ts';
import { enrolNode, joined, startNodeLink, until } from '../../fixtures/node-link.ts';

const gpu = (name: string): Gpu => ({
  device: Device.fromPartial({ name, uuid: name.toUpperCase(), vendor: 'NVIDIA' }),
  conditions: [],
  recommendedAction: '',
  resourceVersion: '1',
});

async function start() {
  const { db } = await testDatabase();
  const now = () => new Date();
  const log = pino({ level: 'silent' });
  const ingest = createIngest({ database: db, now, log, registry: new Registry(), heartbeatMs: 3_000 });
  await ingest.start();
  const link = await startNodeLink({ db, ingest });
  onTestFinished(() => ingest.close());
  return { db, link, node: await enrolNode(link) };
}

test("a node's snapshot and changes become rows, and a new stream goes on where the last one ended", async () => {
  const { db, link, node } = await start();
  const names = async () => {
    const rows = db.selectFrom('gpus').select('name').where('removed_at', 'is', null).orderBy('name');
    return (await rows.execute()).map(({ name }) => name);
  };
  const stream = await joined(link, node);
  stream.send({ snapshot: { sequence: 2n, time: new Date(), gpus: [gpu('gpu-a'), gpu('gpu-b')] } });
  expect(await stream.next('stored')).toMatchObject({ changeSequence: 2n });
  expect(await names()).toEqual(['gpu-a', 'gpu-b']);
  stream.send({ changes: { changes: [{ sequence: 3n, time: new Date(), removed: 'gpu-a' }] } });
  expect(await stream.next('stored')).toMatchObject({ changeSequence: 3n });
  expect(await names()).toEqual(['gpu-b']);
  stream.call.cancel();
  const again = await joined(link, node);
  expect(again.welcome.stored).toMatchObject({ changeSequence: 3n });
});

test('over a gap the inventory is pulled, and what it says is stored', async () => {
  const { db, link, node } = await start();
  const stream = await joined(link, node);
  stream.send({ snapshot: { sequence: 1n, time: new Date(), gpus: [gpu('gpu-a')] } });
  await stream.next('stored');
  stream.send({ changes: { changes: [{ sequence: 5n, time: new Date(), changed: gpu('gpu-b') }] } });
  const { id } = await stream.next('pullInventory');
  stream.send({ snapshot: { sequence: 5n, time: new Date(), gpus: [gpu('gpu-b')], pullId: id } });
  expect(await stream.next('stored')).toMatchObject({ changeSequence: 5n });
  expect(await db.selectFrom('gpus').select('name').where('removed_at', 'is', null).execute()).toEqual([
    { name: 'gpu-b' },
  ]);
});

test('a node that beats is online', async () => {
  const { db, link, node } = await start();
  const stream = await joined(link, node);
  stream.beat(1);
  await stream.next('heartbeatReply');
  await until(async () => {
    const row = await db.selectFrom('nodes').select(['status', 'joined_at']).executeTakeFirstOrThrow();
    return row.joined_at !== null && row.status !== 'offline';
  });
});
