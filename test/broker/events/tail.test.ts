// The tail of the journal: every event once and in order, whoever writes and whatever breaks.
import { expect, onTestFinished, test, vi } from 'vitest';
import { appendToJournal } from '../../../src/broker/events/journal.ts';
import { followJournal, type StoredEvent, type TailOptions } from '../../../src/broker/events/tail.ts';
import { type OpenDatabase, openDatabase } from '../../../src/broker/storage/database.ts';
import { testDatabase } from '../../fixtures/database.ts';

const at = new Date('2026-01-01T00:00:00Z');

/** Appends one event a transaction. */
async function write(database: OpenDatabase, name: string): Promise<void> {
  await database.db.transaction().execute((trx) => appendToJournal(trx, [{ kind: 'gpu.changed', at, data: { name } }]));
}

function follow(database: OpenDatabase, options: Partial<TailOptions> = {}): StoredEvent[] {
  const seen: StoredEvent[] = [];
  const tail = followJournal({
    pool: database.pool,
    after: 0,
    onEvents: (events) => void seen.push(...events),
    log: { warn: () => {} },
    ...options,
  });
  onTestFinished(() => tail.stop());
  return seen;
}

test('nothing is missed or reordered while twenty write at once', async () => {
  const database = await testDatabase();
  const writers = openDatabase({ url: database.url, maxConnections: 20 });
  onTestFinished(() => writers.close());
  const seen = follow(database);
  const writer = async (name: number) => {
    for (let round = 0; round < 15; round++) await write(writers, `${name}/${round}`);
  };
  await Promise.all(Array.from({ length: 20 }, (_, name) => writer(name)));
  await vi.waitFor(() => expect(seen).toHaveLength(300), 10_000);
  const stored = await database.db.selectFrom('journal').select('seq').orderBy('seq').execute();
  expect(seen.map(({ seq }) => seq)).toEqual(stored.map(({ seq }) => seq));
  for (let name = 0; name < 20; name++) {
    const own = seen.map(({ data }) => String(data.name)).filter((text) => text.startsWith(`${name}/`));
    expect(own).toEqual(Array.from({ length: 15 }, (_, round) => `${name}/${round}`));
  }
});

test('it begins after the given place, also where no notification comes', async () => {
  const database = await testDatabase();
  await write(database, 'before');
  await write(database, 'wanted');
  const seen = follow(database, { after: 1, pollInterval: 10 });
  await vi.waitFor(() => expect(seen).toHaveLength(1));
  await database.db
    .insertInto('journal')
    .values({ seq: 3, at, kind: 'node.status', data: '{"name":"silent"}' })
    .execute();
  await vi.waitFor(() => expect(seen.map(({ data }) => data.name)).toEqual(['wanted', 'silent']));
});

test('a broken connection is replaced, and what came meanwhile is delivered', async () => {
  const database = await testDatabase();
  const seen = follow(database, { random: () => 0 });
  await write(database, 'first');
  await vi.waitFor(() => expect(seen).toHaveLength(1));
  const others = openDatabase({ url: database.url, maxConnections: 1 });
  onTestFinished(() => others.close());
  await others.pool.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and query like '%journal%' and pid <> pg_backend_pid()`,
  );
  await write(others, 'second');
  await vi.waitFor(() => expect(seen.map(({ data }) => data.name)).toEqual(['first', 'second']), 5000);
});

test('what the listener fails to take comes again', async () => {
  const database = await testDatabase();
  const deliveries: number[][] = [];
  follow(database, {
    random: () => 0,
    onEvents: (events) => {
      deliveries.push(events.map(({ seq }) => seq));
      if (deliveries.length === 1) throw new Error('not now');
    },
  });
  await write(database, 'first');
  await vi.waitFor(() => expect(deliveries).toEqual([[1], [1]]), 5000);
});
