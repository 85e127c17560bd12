// The migrations: up, down, and up again.
import { expect, test } from 'vitest';
import { migrations } from '../../../src/broker/storage/migrations/index.ts';
import { migrate, migrationStatus, rollback } from '../../../src/broker/storage/migrator.ts';
import { testDatabase } from '../../fixtures/database.ts';

test('every migration can be taken back and applied again', async () => {
  const { db } = await testDatabase();
  const names = Object.keys(migrations);
  for (const name of names.toReversed()) expect((await rollback(db)).names).toEqual([name]);
  expect((await migrationStatus(db)).filter(({ executedAt }) => executedAt)).toEqual([]);
  expect((await migrate(db)).names).toEqual(names);
});
