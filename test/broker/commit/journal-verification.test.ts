// The check of the journal's chain: each thing that may be done to a row is found, and what was removed by the rules is
// no fault.
import { type RawBuilder, sql } from 'kysely';
import { expect, test } from 'vitest';
import { chainHash, chainStart } from '../../../src/broker/commit/chain.ts';
import { verifyJournal } from '../../../src/broker/commit/journal-verification.ts';
import { newId } from '../../../src/broker/ids.ts';
import type { Database } from '../../../src/broker/storage/database.ts';
import { testDatabase } from '../../fixtures/database.ts';

const rows = 10;

/** A sound journal of ten rows, of which the third has a key, with a snapshot at the fourth. */
async function journal(): Promise<Database> {
  const { db } = await testDatabase();
  let previous = chainStart;
  for (let seq = 1; seq <= rows; seq++) {
    const key = seq === 3 ? { keyAccountId: newId(), key: 'ä key', digest: 'ab'.repeat(32) } : undefined;
    const row = {
      seq,
      at: 1000 + seq,
      epoch: seq < 5 ? 1 : 2,
      accountId: seq % 2 === 0 ? newId() : null,
      userId: seq % 2 === 0 ? newId() : null,
      command: JSON.stringify({ kind: 'tick', n: seq, text: 'ö "x" \\n' }),
      result: key ? '{"available":1}' : null,
      ...(key ?? { keyAccountId: null, key: null, digest: null }),
    };
    previous = chainHash(previous, row);
    await sql`
      insert into market_journal
        (seq, at, epoch, account_id, user_id, command, result, key_account_id, idempotency_key, digest, hash)
      values (${seq}, ${row.at}, ${row.epoch}, ${row.accountId}, ${row.userId}, ${row.command}, ${row.result},
        ${row.keyAccountId}, ${row.key}, decode(${row.digest}, 'hex'), ${previous})
    `.execute(db);
    if (seq === 4) await snapshot(db, 4);
  }
  await sql`update market_state set seq = ${rows}, epoch = 2, at = ${1000 + rows}, hash = ${previous}`.execute(db);
  return db;
}

async function snapshot(db: Database, seq: number): Promise<void> {
  await sql`
    insert into market_snapshots (seq, at, state_hash, journal_hash, records)
    select seq, now(), '', hash, '' from market_journal where seq = ${seq}
  `.execute(db);
}

test('a sound journal is sound, and progress is told', async () => {
  const db = await journal();
  const told: number[][] = [];
  const report = await verifyJournal(db, (...of) => told.push(of));
  expect(report).toMatchObject({ sound: true, after: 0, seq: rows, rows, snapshots: 1, wrong: 0, problems: [] });
  expect(report.hash).toMatch(/^[0-9a-f]{64}$/);
  expect(told).toEqual([[rows, rows]]);
});

test('a journal without a row is sound', async () => {
  const { db } = await testDatabase();
  expect(await verifyJournal(db)).toMatchObject({ sound: true, seq: 0, rows: 0, hash: chainStart.toString('hex') });
});

test.each([
  ['a command', sql`update market_journal set command = replace(command::text, '6', '7')::json where seq = 6`, 6],
  ['white space in a command', sql`update market_journal set command = (command::text || ' ')::json where seq = 6`, 6],
  ['a result', sql`update market_journal set result = '{"available":2}' where seq = 3`, 3],
  ['a key', sql`update market_journal set idempotency_key = 'other' where seq = 3`, 3],
  ['an account', sql`update market_journal set account_id = null where seq = 2`, 2],
  ['a time', sql`update market_journal set at = at + 1 where seq = 10`, 10],
  ['an epoch', sql`update market_journal set epoch = 1 where seq = 5`, 5],
])('%s that was changed is found', async (_what, spoil, seq) => {
  const db = await journal();
  await spoil.execute(db);
  expect((await verifyJournal(db)).problems).toEqual([`row ${seq} is not what was written`]);
});

test('rows that were left out, moved or cut off are found', async () => {
  const problemsOf = async (...spoil: RawBuilder<unknown>[]) => {
    const db = await journal();
    for (const statement of spoil) await statement.execute(db);
    return (await verifyJournal(db)).problems;
  };
  expect(await problemsOf(sql`delete from market_journal where seq = 7`)).toEqual(['after 6 comes 8']);
  expect(await problemsOf(sql`delete from market_journal where seq = 10`)).toEqual([
    "the last row is 9, and the market's state says 10",
  ]);
  expect(await problemsOf(sql`update market_state set hash = sha256('')`)).toEqual([
    "row 10 is not the one that the market's state names",
  ]);
  const swapped = sql`update market_journal set seq = case seq when 8 then -9 else -8 end where seq in (8, 9)`;
  expect(await problemsOf(swapped, sql`update market_journal set seq = -seq where seq < 0`)).toEqual([
    'row 8 is not what was written',
    'row 9 is not what was written',
    'row 9 is older than the one before it',
    'row 10 is not what was written',
  ]);
  expect(await problemsOf(sql`update market_snapshots set journal_hash = sha256('')`)).toEqual([
    'the snapshot at 4 belongs to another journal',
  ]);
});

test('a journal whose beginning was removed begins at a snapshot, also in the middle of the removal', async () => {
  const db = await journal();
  await sql`delete from market_journal where seq <= 2`.execute(db);
  expect(await verifyJournal(db)).toMatchObject({ sound: true, after: 4, rows: 6, snapshots: 1 });
  await sql`delete from market_journal where seq <= 4`.execute(db);
  expect(await verifyJournal(db)).toMatchObject({ sound: true, after: 4, rows: 6 });
  await snapshot(db, 10);
  await sql`delete from market_journal`.execute(db);
  await sql`delete from market_snapshots where seq = 4`.execute(db);
  expect(await verifyJournal(db)).toMatchObject({ sound: true, after: 10, rows: 0 });
  await sql`delete from market_snapshots`.execute(db);
  const { sound, problems } = await verifyJournal(db);
  expect(sound).toBe(false);
  expect(problems[0]).toContain('no snapshot says what was before');
});
