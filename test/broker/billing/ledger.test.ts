// The check of the ledger: quiet on a sound one, and each thing that may be wrong with it is found by name.
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { type LedgerReport, ledgerChecks, verifyLedger } from '../../../src/broker/billing/ledger.ts';
import { newId } from '../../../src/broker/ids.ts';
import type { Database } from '../../../src/broker/storage/database.ts';
import { testDatabase } from '../../fixtures/database.ts';

const outside = '00000000-0000-0000-0000-000000000000';
const [buyer, seller, bid, ask, trade] = [newId(), newId(), newId(), newId(), newId()];

type Place = readonly [account: string, kind: 'available' | 'escrow' | 'outside'];

async function transfer(
  db: Database,
  seq: number,
  from: Place,
  to: Place,
  amount: number,
  reason: string,
  of: { orderId?: string; tradeId?: string; id?: string } = {},
): Promise<void> {
  const [[from_account, from_kind], [to_account, to_kind]] = [from, to];
  const about = { order_id: of.orderId ?? null, trade_id: of.tradeId ?? null, id: of.id ?? null, reference: '' };
  const row = { seq, position: 0, at: new Date(), from_account, from_kind, to_account, to_kind, amount, reason };
  await db
    .insertInto('ledger_transfers')
    .values({ ...row, ...about })
    .execute();
}

/** 10 USD came in, 8 were held back for 2 GPUs at 2 USD for 2 hours, of which one traded at 1 USD and ran for 1,801 s. */
async function someLedger(): Promise<Database> {
  const { db } = await testDatabase();
  const spend: Place = [buyer, 'available'];
  const held: Place = [buyer, 'escrow'];
  const paid = Math.floor((1_000_000 * 1801) / 3600);
  await sql`update market_state set seq = 4`.execute(db);
  await transfer(db, 1, [outside, 'outside'], spend, 10_000_000, 'deposit', { id: newId() });
  await transfer(db, 2, spend, held, 8_000_000, 'escrow', { orderId: bid });
  await transfer(db, 3, held, spend, 2_000_000, 'release', { orderId: bid });
  await transfer(db, 4, held, [seller, 'available'], paid, 'capture', { tradeId: trade });
  await sql`
    insert into orders (id, account_id, side, product, quantity, open, filled, price, duration_hours, time_in_force,
      all_or_none, min_quantity, placement, min_score, interruptible, standing, status, reason, escrow, priority,
      created_at, updated_at)
    values (${bid}, ${buyer}, 'bid', 'P', 2, 1, 1, 2000000, 2, 'gtc', false, 1, 'any', 0, false, false, 'partial', '',
      4000000, 2, now(), now()),
      (${ask}, ${seller}, 'ask', 'P', 1, 0, 1, 500000, 24, 'gtc', false, 1, 'any', 0, false, true, 'pending', '', 0, 1,
      now(), now())
  `.execute(db);
  await sql`
    insert into trades (id, number, product, bid_order_id, ask_order_id, buyer_account_id, seller_account_id, node_id,
      cluster_id, quantity, price, bid_price, duration_hours, executed_at, ends_at, interruptible, escrow,
      settled_seconds, captured, end_reason)
    values (${trade}, 1, 'P', ${bid}, ${ask}, ${buyer}, ${seller}, ${newId()}, ${newId()}, 1, 1000000, 2000000, 2, now(),
      now(), false, ${2_000_000 - paid}, 1801, ${paid}, '')
  `.execute(db);
  return db;
}

const broken = ({ checks }: LedgerReport) => checks.filter(({ wrong }) => wrong > 0).map(({ name }) => name);

test('a sound ledger has no problems, and its sums are told', async () => {
  const db = await someLedger();
  const seen: string[] = [];
  const report = await verifyLedger(db, (name) => seen.push(name));
  expect(broken(report)).toEqual([]);
  expect(report).toMatchObject({
    sound: true,
    seq: 4,
    totals: {
      accounts: 2,
      transfers: 4,
      deposited: '10000000',
      withdrawn: '0',
      captured: '500277',
      available: '4500277',
      escrow: '5499723',
    },
  });
  expect(seen).toEqual(ledgerChecks);
});

test('an empty ledger is sound', async () => {
  const { db } = await testDatabase();
  expect(await verifyLedger(db)).toMatchObject({ sound: true, totals: { accounts: 0, transfers: 0, escrow: '0' } });
});

test.each([
  [
    'a balance that somebody changed',
    sql`update ledger_accounts set balance = balance + 1 where account_id = ${seller}`,
    ['debits equal credits', 'balances follow from the transfers'],
  ],
  [
    'money held for nothing',
    sql`update orders set escrow = 0, open = 0, status = 'cancelled' where id = ${bid}`,
    ['escrow is what open orders and held trades need'],
  ],
  [
    'an order that is over and still holds money',
    sql`update orders set status = 'cancelled' where id = ${bid}`,
    ['every order holds what it could cost'],
  ],
  [
    'a micro-dollar too much captured',
    sql`update trades set captured = captured + 1, escrow = escrow - 1`,
    ['escrow is what open orders and held trades need', 'every trade holds and has paid what it should'],
  ],
  [
    'a trade that has ended and holds money',
    sql`update trades set ended_at = now()`,
    ['every trade holds and has paid what it should'],
  ],
  ['a journal that lost its end', sql`update market_state set seq = 3`, ['no transfer is newer than the journal']],
])('%s is found', async (_what, spoil, expected) => {
  const db = await someLedger();
  await spoil.execute(db);
  const report = await verifyLedger(db);
  expect(report.sound).toBe(false);
  expect(broken(report)).toEqual(expected);
});

test('a transfer whose order in time cannot have been is found', async () => {
  const db = await someLedger();
  await sql`alter table ledger_transfers disable trigger ledger_fixed`.execute(db);
  await sql`update ledger_transfers set seq = 5 where seq = 1`.execute(db);
  await sql`update market_state set seq = 5`.execute(db);
  const report = await verifyLedger(db);
  expect(report.checks.find(({ wrong }) => wrong > 0)).toEqual({
    name: 'no balance was ever below zero',
    wrong: 1,
    problems: [`available of ${buyer} was below zero after the command 2`],
  });
});

test('a transfer to somebody whose trade it is not is found', async () => {
  const db = await someLedger();
  await transfer(db, 4 + 1, [seller, 'available'], [seller, 'escrow'], 1, 'capture', { tradeId: trade });
  await sql`update market_state set seq = 5`.execute(db);
  expect(broken(await verifyLedger(db))).toContain('every transfer goes where its reason says');
});

test('no row of the ledger is changed, and no balance falls below zero', async () => {
  const db = await someLedger();
  await expect(sql`update ledger_transfers set amount = 1`.execute(db)).rejects.toThrow(/never changed/);
  await expect(sql`delete from ledger_transfers`.execute(db)).rejects.toThrow(/never changed/);
  const tooMuch = transfer(db, 5, [buyer, 'available'], [outside, 'outside'], 4_000_001, 'withdrawal');
  await expect(tooMuch).rejects.toThrow(/ledger_accounts_balance_check|check constraint/);
});
