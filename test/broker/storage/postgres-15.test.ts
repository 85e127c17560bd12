// The oldest PostgreSQL that is supported, Debian's 15: schema, leader, journal, storage by URL, backup and restore.
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { appendToJournal } from '../../../src/broker/events/journal.ts';
import { newId } from '../../../src/broker/ids.ts';
import { backUp } from '../../../src/broker/storage/administration.ts';
import { tableChecksums } from '../../../src/broker/storage/backup/checksums.ts';
import { restoreBackup } from '../../../src/broker/storage/backup/restore.ts';
import { verifyBackup } from '../../../src/broker/storage/backup/verify.ts';
import { migrations } from '../../../src/broker/storage/migrations/index.ts';
import { migrate, rollback } from '../../../src/broker/storage/migrator.ts';
import { testWith } from '../../capabilities.ts';
import { debianBinaries, startTestPostgres } from '../../fixtures/postgres.ts';
import { newDataFolder, openTestStorage, smallSettings } from '../../fixtures/storage.ts';

async function storageOn15(settings: Record<string, string> = {}) {
  const server = await startTestPostgres({ shared_buffers: "'32MB'", ...settings }, debianBinaries);
  onTestFinished(() => server.remove());
  return openTestStorage({ databaseUrl: server.url });
}

testWith('postgres-15')('the schema goes up, down and up again, the leader leads, the journal is written', async () => {
  const { database, leader, serverVersion } = await storageOn15();
  expect(serverVersion).toMatch(/^15\./);
  const { db } = database;
  for (const name of Object.keys(migrations).toReversed()) expect((await rollback(db)).names).toEqual([name]);
  expect((await migrate(db)).names).toEqual(Object.keys(migrations));
  expect(await leader.waitToLead()).toBe(1);
  const nodeId = newId();
  await db.transaction().execute(async (trx) => {
    await leader.check(trx);
    await appendToJournal(trx, [{ kind: 'node.joined', at: new Date(), nodeId, data: { id: nodeId } }]);
  });
  expect(await db.selectFrom('journal').select(['seq', 'node_id', 'data']).execute()).toEqual([
    { seq: 1, node_id: nodeId, data: { id: nodeId } },
  ]);
});

testWith('postgres-15')('its backup is taken with its own pg_basebackup and gives the same checksums', async () => {
  const { database } = await storageOn15();
  await database.db.insertInto('accounts').values({ id: newId(), name: 'A', created_at: new Date() }).execute();
  const sums = await tableChecksums(database.db);
  const { folder, manifest } = await backUp(database, join(newDataFolder(), 'backups'));
  expect(manifest).toMatchObject({ kind: 'external', majorVersion: 15 });
  expect(await verifyBackup(folder)).toMatchObject({ state: 'sound' });
  const restored = await restoreBackup({ backup: folder, dataFolder: newDataFolder(), settings: smallSettings });
  expect(restored.tables).toEqual(sums);
});

testWith('postgres-15')('a server with fsync off is refused', async () => {
  await expect(storageOn15({ fsync: 'off' })).rejects.toMatchObject({
    code: 'GPUB_DATABASE_UNSAFE',
    message: expect.stringContaining('fsync'),
  });
});
