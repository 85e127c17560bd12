// Old verifications go, but never those that a label stands on.
import { expect, test } from 'vitest';
import { removeOldVerifications } from '../../../src/broker/verification/retention.ts';
import { addTestPrincipal } from '../../fixtures/broker-http.ts';
import { testDatabase } from '../../fixtures/database.ts';
import { addGpu, addNode } from '../../fixtures/registry.ts';
import { day, measurementOf, proofOf, testRecords } from '../../fixtures/verification.ts';

test('of each GPU the last five of each kind and outcome stay, however old', async () => {
  const { db } = await testDatabase();
  const { accountId } = await addTestPrincipal(db, 'provider');
  const node = await addNode(db, accountId);
  let time = Date.UTC(2026, 0, 1);
  const now = () => new Date(time);
  const records = testRecords({ db, now });
  const gpus = [await addGpu(db, node, { name: 'gpu-a' }), await addGpu(db, node, { name: 'gpu-b' })];
  await records.proven(proofOf({ nodeId: node.nodeId, gpuId: gpus[0] ?? '' }, now(), { outcome: 'failed' }));
  for (let at = 0; at < 8; at++) {
    time += day;
    await records.take(node.nodeId, measurementOf('gpu-a'));
    await records.take(node.nodeId, measurementOf('gpu-b'));
    await records.proven(proofOf({ nodeId: node.nodeId, gpuId: gpus[1] ?? '' }, now()));
  }
  const counted = async () => {
    const rows = await db.selectFrom('verifications').select(['gpu_id', 'kind', 'outcome']).execute();
    const keys = rows.map(({ gpu_id, kind, outcome }) => `${gpus.indexOf(gpu_id)} ${kind} ${outcome}`);
    return Object.fromEntries(Object.entries(Object.groupBy(keys, (key) => key)).map(([key, of]) => [key, of?.length]));
  };
  // Of what is younger nothing goes, however much there is.
  expect(await removeOldVerifications(db, new Date(time - 7 * day))).toBe(0);
  expect(await removeOldVerifications(db, new Date(time - 6 * day))).toBe(3);
  expect(await removeOldVerifications(db, new Date(time + day))).toBe(6);
  expect(await counted()).toEqual({
    '0 proof failed': 1,
    '0 measurement passed': 5,
    '1 measurement passed': 5,
    '1 proof passed': 5,
  });
  const samples = await db.selectFrom('verification_samples').select('verification_id').distinct().execute();
  expect(samples).toHaveLength(10);
  expect(await removeOldVerifications(db, new Date(time + 99 * day))).toBe(0);
});
