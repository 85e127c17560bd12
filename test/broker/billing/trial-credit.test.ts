// Trial credit: once for every new account, whichever way it came to be, and none for the platform's own.
import { expect, test, vi } from 'vitest';
import {
  creditNewAccounts,
  startTrialCredit,
  type TrialCreditOptions,
} from '../../../src/broker/billing/trial-credit.ts';
import { newId } from '../../../src/broker/ids.ts';
import type { Database } from '../../../src/broker/storage/database.ts';
import { addTestPrincipal } from '../../fixtures/broker-http.ts';
import { createTestPipeline, startTestMarket, type TestMarket } from '../../fixtures/market.ts';
import { silentLog } from '../../fixtures/storage.ts';

const day = 86_400_000;

function optionsOf({ database: { db }, pipeline }: TestMarket, amount = 5_000_000): TrialCreditOptions {
  return { db, pipeline, amount, now: () => new Date(), log: silentLog, interval: 1 };
}

async function addAccount(db: Database, at = Date.now()): Promise<string> {
  const id = newId(at);
  await db
    .insertInto('accounts')
    .values({ id, name: 'new', created_at: new Date(at) })
    .execute();
  return id;
}

test('each new account gets it once, whatever the credit is later', async () => {
  const market = await startTestMarket();
  const { db } = market.database;
  const [first, old] = [await addAccount(db), await addAccount(db, Date.now() - 2 * day)];
  const admin = await addTestPrincipal(db, 'admin');
  const since = Date.now() - day;
  expect(await creditNewAccounts(optionsOf(market), since)).toBe(1);
  const second = await addAccount(db);
  expect(await creditNewAccounts(optionsOf(market, 7_000_000), since)).toBe(1);
  expect(await creditNewAccounts(optionsOf(market), since)).toBe(0);
  const have = await market.pipeline.read((engine) =>
    [first, second, old, admin.accountId].map((id) => engine.wallet(id).available),
  );
  expect(have).toEqual([5_000_000, 7_000_000, 0, 0]);
});

test('more accounts than one query takes are all credited', async () => {
  const market = await startTestMarket();
  const rows = Array.from({ length: 1001 }, () => ({ id: newId(), name: 'new', created_at: new Date() }));
  await market.database.db.insertInto('accounts').values(rows).execute();
  expect(await creditNewAccounts(optionsOf(market), Date.now() - day)).toBe(1001);
}, 60_000);

test('while it runs, new accounts are found; without an amount nothing is given', async () => {
  const market = await startTestMarket();
  const { db } = market.database;
  const none = startTrialCredit(optionsOf(market, 0));
  const running = startTrialCredit(optionsOf(market));
  const id = await addAccount(db);
  await vi.waitFor(async () => {
    expect(await market.pipeline.read((engine) => engine.wallet(id).available)).toBe(5_000_000);
  });
  await Promise.all([none.stop(), running.stop()]);
});

test('what fails is tried again', async () => {
  const market = await startTestMarket();
  const id = await addAccount(market.database.db);
  const stopped = createTestPipeline(market.database.url);
  await stopped.stop();
  let tries = 0;
  const pipeline = {
    submit: (submission: Parameters<typeof stopped.submit>[0]) =>
      tries++ === 0 ? stopped.submit(submission) : market.pipeline.submit(submission),
  };
  const running = startTrialCredit({ ...optionsOf(market), pipeline });
  await vi.waitFor(async () => {
    expect(await market.pipeline.read((engine) => engine.wallet(id).available)).toBe(5_000_000);
  });
  await running.stop();
  expect(tries).toBe(2);
});
