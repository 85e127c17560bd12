// From what a node measured, over the node link, to the label and score of its GPU.
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { expect, onTestFinished, test } from 'vitest';
import { createIngest } from '../../../src/broker/registry/ingest/ingest.ts';
import { testDatabase } from '../../fixtures/database.ts';
import { enrolNode, joined, startNodeLink } from '../../fixtures/node-link.ts';
import { healthy, measurementOf, testRecords } from '../../fixtures/verification.ts';
import { gpu } from '../registry/ingest/fixture.ts';

async function start(patience: number) {
  const { db } = await testDatabase();
  const now = () => new Date();
  const log = pino({ level: 'silent' });
  const ingest = createIngest({ database: db, now, log, registry: new Registry(), heartbeatMs: 3_000 });
  await ingest.start();
  const measurements = testRecords({ db, now, patience });
  const link = await startNodeLink({ db, ingest, measurements });
  onTestFinished(() => ingest.close());
  return { db, link, node: await enrolNode(link) };
}

test('what was measured before the node joined comes behind its first inventory, and counts', async () => {
  const { db, link, node } = await start(5_000);
  const stream = await joined(link, node);
  const kept = [measurementOf('gpu-a'), measurementOf('gpu-b', { ...healthy, 'memory-bandwidth': 100 })];
  stream.send({ snapshot: { sequence: 1n, time: new Date(), gpus: [gpu('gpu-a'), gpu('gpu-b')] } });
  for (const measurement of kept) stream.send({ measurement });
  const stored = [await stream.next('measurementStored'), await stream.next('measurementStored')];
  expect(new Set(stored.map(({ id }) => id))).toEqual(new Set(kept.map(({ id }) => id)));
  const gpus = await db.selectFrom('gpus').select(['name', 'label', 'score']).orderBy('name').execute();
  expect(gpus).toEqual([
    { name: 'gpu-a', label: 'measured', score: 100 },
    { name: 'gpu-b', label: 'self-reported', score: expect.any(Number) },
  ]);
});

test('what is of a GPU that the node does not have is not waited for without end', async () => {
  const { db, link, node } = await start(300);
  const stream = await joined(link, node);
  const measurement = measurementOf('gpu-z');
  stream.send({ measurement });
  expect(await stream.next('measurementStored')).toEqual({ id: measurement.id });
  expect(await link.metric('gpubroker_node_measurements_total', '{outcome="refused"}')).toBe(1);
  expect(await db.selectFrom('verifications').selectAll().execute()).toEqual([]);
});
