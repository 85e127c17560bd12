// The telemetry store when things go wrong: a slow database, connections that die, values that it refuses, the stop.
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { expect, test } from 'vitest';
import type { OpenDatabase } from '../../../src/broker/storage/database.ts';
import { testDatabase } from '../../fixtures/database.ts';
import { createNodes, noon, round, runningStore, sample, sequenceOf, timesOf } from '../../fixtures/telemetry.ts';

/** Times of rounds 1 to `count`. */
const timesThrough = (count: number) => Array.from({ length: count }, (_, place) => noon + (place + 1) * 5_000);

/** A connection of its own, not of the pool that the store uses. */
async function besides(database: OpenDatabase): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: database.url });
  client.on('error', () => {});
  await client.connect();
  return client;
}

/** Waits until a backend is in a COPY; within a transaction pg_stat_activity would stand still. */
async function copying({ pool }: OpenDatabase): Promise<number> {
  for (;;) {
    const { rows } = await pool.query(
      `select pid from pg_stat_activity
       where datname = current_database() and query ilike 'copy telemetry %' and state = 'active'`,
    );
    if (rows[0]) return rows[0].pid;
    await sleep(5);
  }
}

test('while the database is slow, who adds waits, memory is bounded, and nothing is lost', async () => {
  const database = await testDatabase();
  const { nodeId } = await createNodes(database);
  const store = runningStore(database, { maxRows: 20, batchRows: 4 });
  await store.add(nodeId, 'spool', [round(1)]);
  const blocker = await besides(database);
  await blocker.query('begin; lock table telemetry in access exclusive mode');
  let stored = 0;
  const adding = Array.from({ length: 30 }, async (_, place) => {
    await store.add(nodeId, 'spool', [round(place + 2)]);
    stored++;
  });
  await copying(database);
  expect(stored).toBe(0);
  expect(await store.registry.metrics()).toContain('gpubroker_telemetry_queue_rows 10\n');
  await blocker.query('commit');
  await Promise.all(adding);
  await blocker.end();
  expect(await timesOf(database, nodeId)).toEqual(timesThrough(31));
});

test('bytes are bounded too, and a delivery larger than the queue comes in alone', async () => {
  const database = await testDatabase();
  const { nodeId } = await createNodes(database);
  const store = runningStore(database, { maxBytes: 1 });
  await Promise.all([
    store.add(nodeId, 'spool', [round(1), round(2)]),
    store.add(nodeId, 'spool', [round(3), round(4)]),
  ]);
  expect(await timesOf(database, nodeId)).toEqual(timesThrough(4));
});

test('a connection killed in the middle of a COPY costs nothing and doubles nothing', async () => {
  const database = await testDatabase();
  const { nodeId } = await createNodes(database);
  const store = runningStore(database);
  await store.add(nodeId, 'spool', [round(1)]);
  const killer = await besides(database);
  for (const sequence of [2, 3, 4]) {
    await killer.query('begin; lock table telemetry in access exclusive mode');
    const adding = Promise.all([
      store.add(nodeId, 'spool', [round(sequence)]),
      store.add(nodeId, undefined, [round(sequence + 100)]),
    ]);
    const pid = await copying(database);
    await killer.query('select pg_terminate_backend($1)', [pid]);
    await killer.query('commit');
    await adding;
  }
  await killer.end();
  const extra = [102, 103, 104].map((sequence) => noon + sequence * 5_000);
  expect(await timesOf(database, nodeId)).toEqual([...timesThrough(4), ...extra]);
});

test('connections killed at any time cost nothing and double nothing', async () => {
  const database = await testDatabase();
  const { nodeIds } = await createNodes(database, 5);
  const store = runningStore(database, { batchRows: 7 });
  const killer = await besides(database);
  let adding = true;
  const killing = (async () => {
    while (adding) {
      await killer.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid()`,
      );
      await sleep(Math.random() * 60);
    }
  })();
  await Promise.all(
    nodeIds.map(async (nodeId) => {
      for (let sequence = 1; sequence <= 40; sequence += 2) {
        await store.add(nodeId, 'spool', [round(sequence), round(sequence + 1)]);
      }
    }),
  );
  adding = false;
  await killing;
  await killer.end();
  for (const nodeId of nodeIds) {
    expect(await timesOf(database, nodeId)).toEqual(timesThrough(40));
    expect(await sequenceOf(database, nodeId)).toBe(40);
  }
});

test('where COMMIT was not answered, a round without a sequence is not stored again', async () => {
  const database = await testDatabase();
  const { nodeId } = await createNodes(database);
  const client = await database.pool.connect();
  // The first COMMIT holds, and then the connection breaks.
  let broken = false;
  const query = client.query.bind(client) as (...given: unknown[]) => unknown;
  const breaking = async () => {
    await query('commit');
    broken = true;
    throw new Error('Connection terminated unexpectedly');
  };
  Object.assign(client, { query: (...given: unknown[]) => (given[0] === 'commit' ? breaking() : query(...given)) });
  const pool = { connect: async () => (broken ? database.pool.connect() : client) } as unknown as pg.Pool;
  const store = runningStore(database, { pool });
  await store.add(nodeId, undefined, [round(1), round(2)]);
  expect(broken).toBe(true);
  expect(await timesOf(database, nodeId)).toEqual(timesThrough(2));
});

test('two stores that serve one node store every round once', async () => {
  const database = await testDatabase();
  const { nodeId } = await createNodes(database);
  const stores = [runningStore(database, { batchRows: 3 }), runningStore(database, { batchRows: 5 })];
  const rounds = Array.from({ length: 40 }, (_, place) => round(place + 1));
  await Promise.all(stores.map((store) => store.add(nodeId, 'spool', rounds)));
  expect(await timesOf(database, nodeId)).toEqual(timesThrough(40));
});

test('a round that the database refuses fails alone', async () => {
  const database = await testDatabase();
  const { nodeId } = await createNodes(database);
  const store = runningStore(database);
  await store.add(nodeId, 'spool', [round(1)]);
  await database.pool.query("alter table telemetry add check (gpu_names <> '{poison}')");
  const rounds = [2, 3, 4, 5, 6].map((sequence) =>
    round(sequence, { samples: [sample(sequence === 4 || sequence === 6 ? 'poison' : 'fine')] }),
  );
  await store.add(nodeId, 'spool', rounds);
  expect(await timesOf(database, nodeId)).toEqual([1, 2, 3, 5].map((sequence) => noon + sequence * 5_000));
  expect(await sequenceOf(database, nodeId)).toBe(6);
  expect(await store.registry.metrics()).toContain('gpubroker_telemetry_dropped_total{reason="refused"} 2');
});

test('a partition that somebody dropped is made again', async () => {
  const database = await testDatabase();
  const { nodeId } = await createNodes(database);
  const store = runningStore(database);
  await store.add(nodeId, 'spool', [round(1)]);
  await database.pool.query('drop table telemetry_20260517');
  await store.add(nodeId, 'spool', [round(2)]);
  expect(await timesOf(database, nodeId)).toEqual([noon + 10_000]);
});

test('a store that stops stores what it has and takes no more', async () => {
  const database = await testDatabase();
  const { nodeId } = await createNodes(database);
  const store = runningStore(database, { linger: 10_000 });
  const adding = store.add(nodeId, 'spool', [round(1)]);
  await store.stop();
  await adding;
  expect(await timesOf(database, nodeId)).toEqual(timesThrough(1));
  await expect(store.add(nodeId, 'spool', [round(2)])).rejects.toMatchObject({ code: 'GPUB_UNAVAILABLE' });
});

test('a store that is forced to stop says that it has not stored the rest', async () => {
  const database = await testDatabase();
  const { nodeId } = await createNodes(database);
  const store = runningStore(database, { maxRows: 1 });
  await store.add(nodeId, 'spool', [round(1)]);
  const blocker = await besides(database);
  await blocker.query('begin; lock table telemetry in access exclusive mode');
  const adding = [2, 3].map((sequence) => store.add(nodeId, 'spool', [round(sequence)]));
  const outcomes = Promise.allSettled(adding);
  await copying(database);
  await store.stop(AbortSignal.abort());
  expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  await blocker.end();
});
