// What is forgotten of the market, and what is kept so that the rest can still be checked and applied again.
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import type { JobContext } from '../../../src/broker/jobs/job.ts';
import { removeOldMarketEvents, removeOldMarketJournal } from '../../../src/broker/jobs/market-retention.ts';
import type { Database } from '../../../src/broker/storage/database.ts';
import { testDatabase } from '../../fixtures/database.ts';

const day = 86_400_000;
const now = new Date(Date.UTC(2026, 5, 1));

function context(db: Database): JobContext {
  const settings = { marketJournalRetention: 30 * day };
  return { db, now: () => now, settings, signal: new AbortController().signal } as unknown as JobContext;
}

test('events are kept as long as their topic is', async () => {
  const { db } = await testDatabase();
  const ages: [topic: string, days: number][] = [
    ['orders.created', 6.9],
    ['orders.matched', 7.1],
    ['orders.cancelled', 400],
    ['billing.usage', 89],
    ['billing.usage', 91],
    ['pricing.updates', 0.04],
    ['pricing.updates', 0.05],
    ['audit.log', 364],
    ['audit.log', 366],
    ['of.nobody', 4000],
  ];
  const rows = ages.map(([topic, days], seq) => ({
    seq,
    at: new Date(now.getTime() - days * day),
    topic,
    account_id: null,
    data: '{}',
  }));
  await db.insertInto('market_events').values(rows).execute();
  expect(await removeOldMarketEvents(context(db))).toBe(5);
  const kept = await db.selectFrom('market_events').select('seq').orderBy('seq').execute();
  expect(kept.map(({ seq }) => seq)).toEqual([0, 3, 5, 7, 9]);
  expect(await removeOldMarketEvents(context(db))).toBe(0);
});

/** A journal of a command a day, and a snapshot after every command. */
async function days(count: number): Promise<Database> {
  const { db } = await testDatabase();
  await sql`
    insert into market_journal (seq, at, epoch, command, hash)
    select day, ${now.getTime()}::bigint - (${count}::bigint - day) * ${day}, 1, '{}', '' from generate_series(1, ${count}::bigint) as day
  `.execute(db);
  await sql`
    insert into market_snapshots (seq, at, state_hash, journal_hash, records)
    select seq, to_timestamp(at / 1000.0), '', hash, '' from market_journal
  `.execute(db);
  return db;
}

async function seqsOf(db: Database, table: 'market_journal' | 'market_snapshots'): Promise<number[]> {
  return (await db.selectFrom(table).select('seq').orderBy('seq').execute()).map(({ seq }) => seq);
}

test('the journal begins at a snapshot then; of the others those of the last days and one a week are kept', async () => {
  const db = await days(60);
  expect(await removeOldMarketJournal(context(db))).toBe(30);
  const journal = await seqsOf(db, 'market_journal');
  expect([journal[0], journal.at(-1), journal.length]).toEqual([31, 60, 30]);
  // Day 60 is Monday, the 1st of June 2026; the week of day 31 ends with it.
  const kept = [30, 31, 32, 39, 46, 53, 54, 55, 56, 57, 58, 59, 60];
  expect(await seqsOf(db, 'market_snapshots')).toEqual(kept);
  expect(await removeOldMarketJournal(context(db))).toBe(0);
});

test('nothing is removed of a journal without a snapshot that is old enough', async () => {
  const db = await days(60);
  await sql`delete from market_snapshots where seq < 40`.execute(db);
  expect(await removeOldMarketJournal(context(db))).toBe(0);
  expect((await seqsOf(db, 'market_journal')).length).toBe(60);
});
