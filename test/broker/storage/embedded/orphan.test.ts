// kill -9 of the broker leaves its PostgreSQL running: the next one stops it and starts its own, with all the data.
import { readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ownerOf } from '../../../../src/broker/storage/embedded/folder-owner.ts';
import { serverOn } from '../../../../src/broker/storage/embedded/orphan.ts';
import { newDataFolder, openTestStorage } from '../../../fixtures/storage.ts';
import { storageProcess } from '../../../fixtures/storage-child.ts';

test('after kill -9 of its broker a data folder is taken over, with one server on it', async () => {
  const dataFolder = newDataFolder();
  const first = storageProcess('open', dataFolder);
  expect(await first.line()).toBe('open');
  expect(ownerOf(dataFolder)?.pid).toBe(first.child.pid);
  const orphan = serverOn(join(dataFolder, 'postgres'));
  expect(orphan).toBeGreaterThan(1);
  await expect(openTestStorage({ dataFolder })).rejects.toMatchObject({ code: 'GPUB_DATABASE_FOLDER_IN_USE' });
  await first.kill();
  expect(ownerOf(dataFolder)).toBeUndefined();
  expect(serverOn(join(dataFolder, 'postgres'))).toBe(orphan);
  const second = await openTestStorage({ dataFolder });
  expect(serverOn(join(dataFolder, 'postgres'))).not.toBe(orphan);
  // Gone, or waiting for its parent to take note.
  expect(() => readlinkSync(`/proc/${orphan}/cwd`)).toThrow();
  const { rows } = await second.database.pool.query('select count(*) as tables from kysely_migration');
  expect(rows[0].tables).toBeGreaterThan(0);
});
