// The leader: one at a time, fenced by its epoch, followed by the next when it goes.
import { sql } from 'kysely';
import { expect, onTestFinished, test } from 'vitest';
import { createLeader, type Leader } from '../../../src/broker/storage/leader.ts';
import { testDatabase } from '../../fixtures/database.ts';
import { silentLog } from '../../fixtures/storage.ts';

const now = () => new Date('2026-01-02T03:04:05Z');

function candidate(url: string, holder: string, silence?: number): Leader {
  const leader = createLeader({ url, log: silentLog, now, holder, ...(silence && { silence }) });
  onTestFinished(() => leader.close());
  return leader;
}

test('the first to come leads: the epoch goes up and the database shows the holder', async () => {
  const { url, db } = await testDatabase();
  const leader = candidate(url, 'a:1');
  expect(leader.epoch).toBeUndefined();
  expect(await leader.waitToLead()).toBe(1);
  expect(leader.epoch).toBe(1);
  expect(await db.selectFrom('leader').selectAll().execute()).toEqual([
    { singleton: true, epoch: 1, holder: 'a:1', since: now() },
  ]);
  await db.transaction().execute((trx) => leader.check(trx));
});

test('who waits takes over when the leader goes, with a higher epoch', async () => {
  const { url, db } = await testDatabase();
  const first = candidate(url, 'a:1');
  const second = candidate(url, 'b:2');
  await first.waitToLead();
  let leads = false;
  const waiting = second.waitToLead().then((epoch) => {
    leads = true;
    return epoch;
  });
  await expect(db.transaction().execute((trx) => second.check(trx))).rejects.toMatchObject({
    code: 'GPUB_LEADERSHIP_LOST',
  });
  expect(leads).toBe(false);
  await first.close();
  expect(await waiting).toBe(2);
  await expect(first.check(db)).rejects.toMatchObject({ code: 'GPUB_LEADERSHIP_LOST' });
});

test('the wait can be given up', async () => {
  const { url } = await testDatabase();
  await candidate(url, 'a:1').waitToLead();
  const abort = new AbortController();
  const waiting = candidate(url, 'b:2').waitToLead(abort.signal);
  abort.abort(new Error('enough'));
  await expect(waiting).rejects.toThrow();
});

test('a leader whose session is ended is told, and may lead again', async () => {
  const { url, db } = await testDatabase();
  const leader = candidate(url, 'a:1');
  await leader.waitToLead();
  const lost = new Promise<string>((resolve) => leader.onLost(resolve));
  await sql`select pg_terminate_backend(pid) from pg_stat_activity
    where application_name = 'gpubroker leader' and datname = current_database()`.execute(db);
  expect(await lost).not.toBe('');
  expect(leader.epoch).toBeUndefined();
  expect(await leader.waitToLead()).toBe(2);
});

test('a transaction of the leader is over before the next leader begins', async () => {
  const { url, db } = await testDatabase();
  const first = candidate(url, 'a:1');
  const second = candidate(url, 'b:2');
  await first.waitToLead();
  const order: string[] = [];
  let waiting: Promise<unknown> = Promise.resolve();
  await db.transaction().execute(async (trx) => {
    await first.check(trx);
    await first.close();
    waiting = second.waitToLead().then(() => order.push('second leads'));
    // Until the second has the lock and waits for the row.
    for (let waits = 0; waits === 0; ) {
      const { rows } = await sql<{ n: number }>`select count(*) as n from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`.execute(db);
      waits = rows[0]?.n ?? 0;
    }
    order.push('first commits');
  });
  await waiting;
  expect(order).toEqual(['first commits', 'second leads']);
});
