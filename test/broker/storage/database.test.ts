// An open database is closed as a whole.
import { expect, onTestFinished, test } from 'vitest';
import { openDatabase } from '../../../src/broker/storage/database.ts';
import { createTestDatabase } from '../../fixtures/database.ts';

test('close ends the pool, also where Kysely was never asked anything', async () => {
  const { url, drop } = await createTestDatabase();
  onTestFinished(drop);
  const database = openDatabase({ url });
  await database.pool.query('select');
  await database.close();
  expect(database.pool.totalCount).toBe(0);
  await expect(database.pool.query('select')).rejects.toThrow('after calling end');
});
