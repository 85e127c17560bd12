// Transactions that stand in each other's way are run again.
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { transact } from '../../../src/broker/storage/transact.ts';
import { testDatabase } from '../../fixtures/database.ts';

test('two that lock in opposite orders both succeed', async () => {
  const { db } = await testDatabase();
  let waiting = 2;
  let meet = () => {};
  const met = new Promise<void>((resolve) => {
    meet = resolve;
  });
  const lockBoth = (first: number, second: number) => {
    let tries = 0;
    return transact(db, async (trx) => {
      tries++;
      await sql`select pg_advisory_xact_lock(${first})`.execute(trx);
      if (--waiting === 0) meet();
      await met;
      await sql`select pg_advisory_xact_lock(${second})`.execute(trx);
      return tries;
    });
  };
  const tries = await Promise.all([lockBoth(1, 2), lockBoth(2, 1)]);
  expect(tries.sort()).toEqual([1, 2]);
});

test('what fails for another reason fails at once', async () => {
  const { db } = await testDatabase();
  let tries = 0;
  const failing = transact(db, async (trx) => {
    tries++;
    await sql`select 1 / 0`.execute(trx);
  });
  await expect(failing).rejects.toThrow('division by zero');
  expect(tries).toBe(1);
});
