// A PostgreSQL that dies while the broker runs is started again, and the pool works on.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { serverOn } from '../../../../src/broker/storage/embedded/orphan.ts';
import type { ServerState } from '../../../../src/broker/storage/embedded/supervisor.ts';
import { newDataFolder, openTestStorage } from '../../../fixtures/storage.ts';

test('a killed server comes back, its end and its return are told, and nothing committed is lost', async () => {
  const dataFolder = newDataFolder();
  const { database, leader, onState } = await openTestStorage({ dataFolder });
  const { pool } = database;
  await pool.query('create table kept (n int); insert into kept values (1)');
  await leader.waitToLead();
  const states: ServerState[] = [];
  const back = new Promise<void>((resolve) =>
    onState((state) => {
      states.push(state);
      if (state.isUp) resolve();
    }),
  );
  const lost = new Promise((resolve) => leader.onLost(resolve));
  const before = serverOn(join(dataFolder, 'postgres')) ?? 0;
  process.kill(before, 'SIGKILL');
  await lost;
  await back;
  expect(states[0]?.isUp).toBe(false);
  expect((await pool.query('select n from kept')).rows).toEqual([{ n: 1 }]);
  expect(serverOn(join(dataFolder, 'postgres'))).not.toBe(before);
  expect(await leader.waitToLead()).toBe(2);
});
