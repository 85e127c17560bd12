// What is kept of verifications: once, by whom it may be said, within bounds, and so that scores can be made again.
import { Registry } from 'prom-client';
import { expect, onTestFinished, test } from 'vitest';
import { newId } from '../../../src/broker/ids.ts';
import { expireLabels } from '../../../src/broker/verification/expiry.ts';
import { createProductHistory, readHistory } from '../../../src/broker/verification/history.ts';
import { scoreAgain } from '../../../src/broker/verification/read.ts';
import { mostEvidence, mostKept } from '../../../src/broker/verification/storing.ts';
import { testDatabase } from '../../fixtures/database.ts';
import { day, healthy, measurementOf, proofOf, testRecords } from '../../fixtures/verification.ts';
import {
  gpu,
  insertNodes,
  insertPlace,
  joinedNode,
  newIngest,
  openIncidents,
  snapshot,
  TestClock,
} from '../registry/ingest/fixture.ts';

/** Two nodes of one provider, each with an H100 of the same name, and one more. */
async function setUp() {
  const { db } = await testDatabase();
  const clock = new TestClock();
  const place = await insertPlace(db, clock);
  const [nodeId = '', otherId = ''] = await insertNodes(db, clock, place, 2);
  const ingest = newIngest(db, clock);
  onTestFinished(() => ingest.close());
  for (const id of [nodeId, otherId]) {
    await ingest.joined(joinedNode(place, id, clock));
    await ingest.snapshot(id, 'spool', snapshot(0, [gpu('gpu-a', 'healthy', { serial: 'one', uuid: id })]));
  }
  clock.advance(1000);
  const records = testRecords({ db, now: clock.now });
  const row = (id = nodeId) => db.selectFrom('gpus').selectAll().where('node_id', '=', id).executeTakeFirstOrThrow();
  const gpuId = (await row()).id;
  const standing = async (id = nodeId) => {
    const { label, score } = await row(id);
    return [label, score];
  };
  const prove = (outcome: 'passed' | 'failed' | 'unsupported' = 'passed') =>
    records.proven(proofOf({ nodeId, gpuId }, clock.now(), { outcome }));
  const events = async () => {
    const rows = await db
      .selectFrom('journal')
      .select(['kind', 'data'])
      .where('kind', 'like', 'gpu.%')
      .orderBy('seq')
      .execute();
    return rows.slice(2);
  };
  const count = async (table: 'verifications' | 'verification_samples') =>
    (await db.selectFrom(table).selectAll().execute()).length;
  return { db, clock, place, nodeId, otherId, gpuId, ingest, records, row, standing, prove, events, count };
}

test('a measurement within the band makes a GPU measured, a proof makes it verified, and each is told', async () => {
  const { clock, nodeId, records, standing, prove, events, row } = await setUp();
  expect(await standing()).toEqual(['self-reported', null]);
  await records.take(nodeId, measurementOf('gpu-a'));
  expect(await standing()).toEqual(['measured', 100]);
  clock.advance(1000);
  await prove();
  expect(await standing()).toEqual(['challenge-verified', 100]);
  expect(await row()).toMatchObject({ verified_at: clock.now(), measured_at: new Date(clock.now().getTime() - 1000) });
  expect(await events()).toMatchObject([
    { kind: 'gpu.measured', data: { label: 'measured', score: 100, verification: { kind: 'measurement' } } },
    { kind: 'gpu.verified', data: { label: 'challenge-verified', verification: { kind: 'proof', outcome: 'passed' } } },
  ]);
});

test.each<[string, Parameters<typeof measurementOf>[1], string, number | null]>([
  ['slow', { ...healthy, 'memory-bandwidth': 1_500 }, 'below-band', 80],
  ['too fast for the model', { ...healthy, 'memory-bandwidth': 9_000 }, 'implausible', null],
  ['with errors in its memory', { ...healthy, 'memory-check': 2 }, 'memory-errors', 0],
])('a GPU that is %s is not measured', async (_what, figures, reason, score) => {
  const { db, nodeId, records, standing } = await setUp();
  await records.take(nodeId, measurementOf('gpu-a', figures));
  const stored = await db.selectFrom('verifications').select(['reason', 'outcome', 'label']).executeTakeFirstOrThrow();
  expect(stored).toEqual({ reason, outcome: 'failed', label: 'self-reported' });
  const [label, given] = await standing();
  expect(label).toBe('self-reported');
  if (score === null || score === 0) expect(given).toBe(score);
  else expect(Math.abs(Number(given) - score)).toBeLessThan(15);
});

test('a run of a few benchmarks says nothing of the whole, and changes neither label nor score', async () => {
  const { nodeId, records, standing, clock, db } = await setUp();
  await records.take(nodeId, measurementOf('gpu-a'));
  clock.advance(1000);
  await records.take(nodeId, measurementOf('gpu-a', { fp32: 1 }));
  expect(await standing()).toEqual(['measured', 100]);
  const reasons = await db.selectFrom('verifications').select('reason').orderBy('at').execute();
  expect(reasons).toEqual([{ reason: null }, { reason: 'incomplete' }]);
});

test('what was tried and is not there is no reason to be incomplete', async () => {
  const { nodeId, records, standing } = await setUp();
  const { 'device-to-host': _, ...rest } = healthy;
  const unmeasured = [{ name: 'device-to-host', why: 'unsupported', message: 'no such copy' }];
  await records.take(nodeId, measurementOf('gpu-a', rest, { unmeasured }));
  expect((await standing())[0]).toBe('measured');
});

test('the same samples come to the same score again', async () => {
  const { db, nodeId, records, clock } = await setUp();
  for (const bandwidth of [2_700, 2_000.123456789, 1_234.5, 10]) {
    clock.advance(1000);
    await records.take(nodeId, measurementOf('gpu-a', { ...healthy, 'memory-bandwidth': bandwidth }));
  }
  clock.advance(1000);
  await records.take(nodeId, measurementOf('gpu-a', { fp32: 1 }));
  const rows = await db.selectFrom('verifications').select(['id', 'score']).execute();
  expect(new Set(rows.map(({ score }) => score)).size).toBe(5);
  for (const { id, score } of rows) expect(await scoreAgain(db, id)).toBe(score);
});

test('what comes once more changes nothing', async () => {
  const { db, nodeId, records, gpuId, clock, events, count } = await setUp();
  const measurement = measurementOf('gpu-a');
  const proof = proofOf({ nodeId, gpuId }, clock.now());
  await Promise.all([records.take(nodeId, measurement), records.take(nodeId, measurement)]);
  await records.proven(proof);
  const before = await db.selectFrom('gpus').selectAll().execute();
  clock.advance(5000);
  await records.take(nodeId, measurement);
  await records.proven({ ...proof, outcome: 'failed' });
  expect(await db.selectFrom('gpus').selectAll().execute()).toEqual(before);
  expect(await count('verifications')).toBe(2);
  expect(await count('verification_samples')).toBe(27);
  expect((await events()).length).toBe(2);
  expect(await openIncidents(db)).toEqual([]);
});

test('a node says nothing of the GPUs of another', async () => {
  const { db, nodeId, otherId, records, gpuId, clock, standing, count } = await setUp();
  const measurement = measurementOf('gpu-a');
  await records.take(otherId, measurement);
  expect(await standing()).toEqual(['self-reported', null]);
  expect(await standing(otherId)).toEqual(['measured', 100]);
  // The id of what the other has stored: neither changed nor taken for one's own.
  await expect(records.take(nodeId, measurement)).rejects.toMatchObject({ kind: 'invalid' });
  await expect(records.take(nodeId, measurementOf('gpu-b'))).rejects.toMatchObject({ kind: 'not-found' });
  const misplaced = proofOf({ nodeId: otherId, gpuId }, clock.now());
  await expect(records.proven(misplaced)).rejects.toMatchObject({ kind: 'not-found' });
  expect(await standing()).toEqual(['self-reported', null]);
  expect(await count('verifications')).toBe(1);
  expect(await db.selectFrom('verifications').select('node_id').execute()).toEqual([{ node_id: otherId }]);
});

test('a failed proof takes label and score, opens an incident, and a passed one ends both', async () => {
  const { db, nodeId, records, standing, prove, clock } = await setUp();
  await records.take(nodeId, measurementOf('gpu-a'));
  clock.advance(1000);
  await prove('failed');
  expect(await standing()).toEqual(['self-reported', null]);
  expect(await openIncidents(db)).toEqual(['proof-failed']);
  clock.advance(1000);
  await records.take(nodeId, measurementOf('gpu-a'));
  await prove('unsupported');
  expect(await standing()).toEqual(['self-reported', null]);
  clock.advance(1000);
  await prove();
  expect(await standing()).toEqual(['challenge-verified', 100]);
  expect(await openIncidents(db)).toEqual([]);
});

test('another card at the same name has to earn its label; a failure stays with the name', async () => {
  const { nodeId, records, standing, prove, clock, ingest, row } = await setUp();
  await records.take(nodeId, measurementOf('gpu-a'));
  await prove();
  clock.advance(1000);
  await ingest.snapshot(nodeId, 'spool', snapshot(1, [gpu('gpu-a', 'unhealthy', { serial: 'one', uuid: nodeId })]));
  expect(await standing()).toEqual(['challenge-verified', 100]);
  clock.advance(1000);
  await ingest.snapshot(nodeId, 'spool', snapshot(2, [gpu('gpu-a', 'healthy', { serial: 'two', uuid: nodeId })]));
  expect(await row()).toMatchObject({ label: 'self-reported', score: null, verified_at: null, measured_at: null });
  // The proof of the card before, late.
  await records.proven(proofOf({ nodeId, gpuId: (await row()).id }, new Date(clock.now().getTime() - 1500)));
  expect(await standing()).toEqual(['self-reported', null]);
  clock.advance(1000);
  await prove('failed');
  clock.advance(1000);
  await ingest.snapshot(nodeId, 'spool', snapshot(3, [gpu('gpu-a', 'healthy', { serial: 'three', uuid: nodeId })]));
  clock.advance(1000);
  await records.take(nodeId, measurementOf('gpu-a'));
  expect(await standing()).toEqual(['self-reported', null]);
  await prove();
  expect(await standing()).toEqual(['challenge-verified', 100]);
});

test.each([
  ['model', { serial: 'one', model: 'NVIDIA A100-SXM4-80GB' }],
  [
    'product',
    { serial: 'one', memory: { totalBytes: 25_000_000_000n, freeBytes: 0n, usedBytes: 0n, reservedBytes: 0n } },
  ],
  ['serial, which is not told any more', { serial: undefined }],
])('another %s is another card', async (_what, device) => {
  const { nodeId, prove, clock, ingest, standing } = await setUp();
  await prove();
  clock.advance(1000);
  await ingest.snapshot(nodeId, 'spool', snapshot(1, [gpu('gpu-a', 'healthy', { uuid: nodeId, ...device } as object)]));
  expect((await standing())[0]).toBe('self-reported');
});

test('labels run out, but not while the GPU is sold', async () => {
  const { db, records, nodeId, gpuId, prove, clock, standing, events } = await setUp();
  const expire = () => expireLabels({ db, now: clock.now, proofLifetime: 7 * day });
  await records.take(nodeId, measurementOf('gpu-a'));
  await prove();
  clock.advance(7 * day);
  expect(await expire()).toBe(0);
  const trade = newId();
  await db.insertInto('holds').values({ gpu_id: gpuId, trade_id: trade, position: 0, ended_at: null }).execute();
  clock.advance(day);
  expect(await expire()).toBe(0);
  expect(await standing()).toEqual(['challenge-verified', 100]);
  await db.updateTable('holds').set({ ended_at: clock.now() }).execute();
  expect(await expire()).toBe(1);
  expect(await standing()).toEqual(['measured', 100]);
  expect((await events()).at(-1)).toMatchObject({ kind: 'gpu.verification_expired', data: { label: 'measured' } });
  expect(await expire()).toBe(0);
});

test('a simulated GPU stays so, without a score', async () => {
  const { db, clock, place } = await setUp();
  const [nodeId = ''] = await insertNodes(db, clock, place, 1);
  const ingest = newIngest(db, clock);
  onTestFinished(() => ingest.close());
  await ingest.joined(joinedNode(place, nodeId, clock));
  await ingest.snapshot(nodeId, 'spool', snapshot(0, [gpu('gpu-a', 'healthy', { source: 'simulated' })]));
  const records = testRecords({ db, now: clock.now });
  await records.take(nodeId, measurementOf('gpu-a', healthy, { label: 'simulated' }));
  const { id, label, score } = await db
    .selectFrom('gpus')
    .selectAll()
    .where('node_id', '=', nodeId)
    .executeTakeFirstOrThrow();
  expect([label, score]).toEqual(['simulated', null]);
  await records.proven(proofOf({ nodeId, gpuId: id }, clock.now()));
  const stored = await db.selectFrom('verifications').select(['label', 'reason']).orderBy('kind').execute();
  expect(stored).toEqual([
    { label: 'simulated', reason: 'simulated' },
    { label: 'simulated', reason: null },
  ]);
});

test.each<[string, Partial<ReturnType<typeof measurementOf>>]>([
  ['an id that is none', { id: "x'; drop table gpus" }],
  ['an interface that is none', { backend: '\0' }],
  ['samples without end', { figures: [{ name: 'fp32', unit: 'TFLOP/s', samples: Array(257).fill(1) }] }],
  ['no samples', { figures: [{ name: 'fp32', unit: 'TFLOP/s', samples: [] }] }],
  ['a sample that is no number', { figures: [{ name: 'fp32', unit: 'TFLOP/s', samples: [Number.NaN] }] }],
  ['a sample below nothing', { figures: [{ name: 'fp32', unit: 'TFLOP/s', samples: [-1] }] }],
  ['another unit', { figures: [{ name: 'fp32', unit: 'GB/s', samples: [1] }] }],
  ['a figure twice', { figures: Array(2).fill({ name: 'fp32', unit: 'TFLOP/s', samples: [1] }) }],
])('a measurement with %s is refused', async (_what, more) => {
  const { nodeId, records, count } = await setUp();
  await expect(records.take(nodeId, measurementOf('gpu-a', healthy, more))).rejects.toMatchObject({ kind: 'invalid' });
  expect(await count('verifications')).toBe(0);
});

test('hostile texts and times are stored as far as they can be', async () => {
  const { db, nodeId, records } = await setUp();
  const text = `\0\ud800${'x'.repeat(100_000)}`;
  const texts = {
    effort: text,
    deviceModel: text,
    driverVersion: text,
    agentVersion: text,
    label: text,
  };
  const unmeasured = Array(1000).fill({ name: 'fp16', why: text, message: text });
  const times = { startTime: new Date(Number.NaN), endTime: new Date(8.64e15) };
  const { fp16: _, ...figures } = healthy;
  await records.take(nodeId, measurementOf('gpu-a', figures, { ...texts, ...times, unmeasured }));
  const { evidence, started_at, ended_at } = await db.selectFrom('verifications').selectAll().executeTakeFirstOrThrow();
  expect(JSON.stringify(evidence).length).toBeLessThan(10_000);
  expect([started_at, ended_at]).toEqual([null, null]);
});

test('evidence that is too large loses what is largest, and says so', async () => {
  const { db, nodeId, gpuId, records, clock } = await setUp();
  const evidence = { size: 512, rows: 'x'.repeat(mostEvidence), big: 1n, odd: '\0\ud800' };
  await records.proven(proofOf({ nodeId, gpuId }, clock.now(), { evidence, message: 'm'.repeat(1e6) }));
  const stored = await db.selectFrom('verifications').selectAll().executeTakeFirstOrThrow();
  expect(stored.evidence).toEqual({ size: 512, big: '1', odd: '\ufffd\ufffd', left_out: ['rows'] });
  expect(stored.message?.length).toBe(2000);
});

test('a node that measures without end fills no disk, and what counts stays', async () => {
  const { db, nodeId, gpuId, records, clock, prove, count, standing } = await setUp();
  await prove('failed');
  for (let more = 0; more < mostKept + 5; more++) {
    clock.advance(10);
    await records.proven(proofOf({ nodeId, gpuId }, clock.now(), { outcome: 'unsupported' }));
  }
  expect(await count('verifications')).toBe(mostKept + 1);
  clock.advance(10);
  await records.take(nodeId, measurementOf('gpu-a'));
  expect((await standing())[0]).toBe('self-reported');
  expect(await openIncidents(db)).toEqual(['proof-failed']);
}, 60_000);

test('history counts the newest measurement of GPUs that have proven what they are', async () => {
  const { db, nodeId, otherId, records, clock, prove } = await setUp();
  const product = 'H100-SXM5-80GB';
  await records.take(nodeId, measurementOf('gpu-a', { ...healthy, fp32: 40 }));
  await records.take(otherId, measurementOf('gpu-a', { ...healthy, fp32: 60 }));
  expect(await readHistory(db, product, 'cuda')).toEqual({});
  clock.advance(1000);
  await prove();
  await records.take(nodeId, measurementOf('gpu-a', { ...healthy, fp32: 44 }));
  expect(await readHistory(db, product, 'cuda')).toMatchObject({ fp32: [44], 'memory-check': [0] });
  expect(await readHistory(db, product, 'opencl')).toEqual({});
  expect(await readHistory(db, 'H200-SXM5-141GB', 'cuda')).toEqual({});
});

test('history is read anew after some minutes, for each product and interface', async () => {
  const { db, nodeId, records, clock, prove } = await setUp();
  let time = 0;
  const history = createProductHistory(() => time);
  const product = 'H100-SXM5-80GB';
  await prove();
  expect(await history.of(db, product, 'cuda')).toEqual({});
  clock.advance(1000);
  await records.take(nodeId, measurementOf('gpu-a'));
  time += 299_000;
  expect(await history.of(db, product, 'cuda')).toEqual({});
  expect(await history.of(db, null, 'cuda')).toEqual({});
  time += 2_000;
  expect(await history.of(db, product, 'cuda')).toMatchObject({ fp32: [healthy.fp32] });
});

test('what is stored is counted, once', async () => {
  const { db, nodeId, gpuId, clock } = await setUp();
  const registry = new Registry();
  const records = testRecords({ db, now: clock.now, registry });
  const measurement = measurementOf('gpu-a');
  await records.take(nodeId, measurement);
  await records.take(nodeId, measurement);
  await records.proven(proofOf({ nodeId, gpuId }, clock.now(), { outcome: 'unsupported' }));
  const metrics = await registry.metrics();
  expect(metrics).toContain('gpubroker_verifications_total{kind="measurement",outcome="passed"} 1');
  expect(metrics).toContain('gpubroker_verifications_total{kind="proof",outcome="unsupported"} 1');
});

test('who does not lead writes nothing', async () => {
  const { db, nodeId, gpuId, clock, count } = await setUp();
  const leaderCheck = async () => {
    throw new Error('another broker leads');
  };
  const records = testRecords({ db, now: clock.now, leaderCheck });
  await expect(records.take(nodeId, measurementOf('gpu-a'))).rejects.toThrow('another broker leads');
  await expect(records.proven(proofOf({ nodeId, gpuId }, clock.now()))).rejects.toThrow('another broker leads');
  expect(await count('verifications')).toBe(0);
});
