// What has been gone for too long leaves the inventory, and the journal tells so.
import { expect, test } from 'vitest';
import { newId } from '../../../src/broker/ids.ts';
import { cleanUpInventory } from '../../../src/broker/registry/clean-up.ts';
import { testDatabase } from '../../fixtures/database.ts';
import { measurementOf, testRecords } from '../../fixtures/verification.ts';
import {
  change,
  gpu,
  insertNodes,
  insertPlace,
  joinedNode,
  journalKinds,
  newIngest,
  openIncidents,
  snapshot,
  TestClock,
} from './ingest/fixture.ts';

const day = 86_400_000;
const options = { staleAfterMs: 30 * 86_400_000 };

async function setUp() {
  const { db } = await testDatabase();
  const clock = new TestClock();
  const place = await insertPlace(db, clock);
  const [nodeId = '', never = ''] = await insertNodes(db, clock, place, 2);
  const ingest = newIngest(db, clock);
  await ingest.joined(joinedNode(place, nodeId, clock));
  await ingest.snapshot(nodeId, 'spool', snapshot(0, [gpu('gpu-a'), gpu('gpu-b')]));
  const token = { cluster_id: place.clusterId, max_uses: 1, revoked_at: null, created_at: clock.now() };
  const expires_at = new Date(clock.now().getTime() + 40 * day);
  await db
    .insertInto('enrolment_tokens')
    .values({ ...token, id: newId(), node_id: never, hash: Buffer.alloc(32), expires_at })
    .execute();
  return { db, clock, place, nodeId, never, ingest };
}

test('a GPU goes thirty days after its node ceased to show it', async () => {
  const { db, clock, nodeId, ingest } = await setUp();
  await ingest.changes(nodeId, 'spool', [change(1, 'gpu-b')]);
  clock.advance(30 * day);
  expect(await cleanUpInventory(db, clock.now(), options)).toEqual({ nodes: 0, gpus: 0 });
  clock.advance(1);
  expect(await cleanUpInventory(db, clock.now(), options)).toEqual({ nodes: 0, gpus: 1 });
  expect(await db.selectFrom('gpus').select('name').execute()).toEqual([{ name: 'gpu-a' }]);
  expect((await journalKinds(db)).slice(-2)).toEqual(['gpu.removed', 'gpu.removed']);
  expect(await openIncidents(db)).toEqual([]);
});

test('a node goes with its GPUs and credentials; one that may still join stays until its token ends', async () => {
  const { db, clock, nodeId, never, ingest } = await setUp();
  const times = { issued_at: clock.now(), expires_at: clock.now(), confirmed_at: null, revoked_at: null };
  const credential = { id: newId(), node_id: nodeId, public_key: Buffer.from('key'), follows: null, ...times };
  await db.insertInto('node_credentials').values(credential).execute();
  await testRecords({ db, now: clock.now }).take(nodeId, measurementOf('gpu-a'));
  for (let second = 0; second < 10; second++) {
    clock.advance(1000);
    await ingest.tick();
  }
  clock.advance(31 * day);
  expect(await cleanUpInventory(db, clock.now(), options)).toEqual({ nodes: 1, gpus: 2 });
  expect(await db.selectFrom('nodes').select('id').execute()).toEqual([{ id: never }]);
  expect(await db.selectFrom('node_credentials').select('id').execute()).toEqual([]);
  expect(await db.selectFrom('verifications').select('id').execute()).toEqual([]);
  expect((await journalKinds(db)).slice(-3)).toEqual(['gpu.removed', 'gpu.removed', 'node.removed']);
  const closed = await db.selectFrom('journal').select('kind').where('kind', '=', 'incident.closed').execute();
  expect(closed).toHaveLength(1);
  clock.advance(10 * day);
  expect(await cleanUpInventory(db, clock.now(), options)).toEqual({ nodes: 1, gpus: 0 });
});

test('a node that is online stays, however old; who does not lead cleans nothing', async () => {
  const { db, clock, ingest } = await setUp();
  await ingest.close();
  clock.advance(365 * day);
  const leaderCheck = () => Promise.reject(new Error('another broker leads'));
  await expect(cleanUpInventory(db, clock.now(), { ...options, leaderCheck })).rejects.toThrow('another broker leads');
  expect(await cleanUpInventory(db, clock.now(), options)).toEqual({ nodes: 1, gpus: 0 });
  const rows = await db.selectFrom('nodes').select('status').execute();
  expect(rows).toEqual([{ status: 'healthy' }]);
});
