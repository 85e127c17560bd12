// A backup, restored on an empty folder: the same tables, the same rows.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { tableChecksums } from '../../../../src/broker/storage/backup/checksums.ts';
import { restoreBackup } from '../../../../src/broker/storage/backup/restore.ts';
import { verifyBackup } from '../../../../src/broker/storage/backup/verify.ts';
import { addedAccounts, runningStorage } from '../../../fixtures/backup.ts';
import { newDataFolder, openTestStorage, smallSettings } from '../../../fixtures/storage.ts';

test('a restored backup has the checksums of the database that it was taken of, and the broker starts on it', async () => {
  const running = await runningStorage();
  await running.add('before');
  const sums = await tableChecksums(running.storage.database.db);
  const { folder, manifest } = await running.backUp();
  expect(await verifyBackup(folder)).toMatchObject({ state: 'sound', problems: [] });
  expect(manifest.files.every(({ sha256 }) => /^[0-9a-f]{64}$/.test(sha256))).toBe(true);
  await running.add('after');
  const dataFolder = newDataFolder();
  const restored = await restoreBackup({ backup: folder, dataFolder, settings: smallSettings });
  expect(sums.find(({ table }) => table === 'public.accounts')?.rows).toBe(101);
  expect(restored.tables).toEqual(sums);
  expect(await addedAccounts(await openTestStorage({ dataFolder }))).toEqual(['before']);
  expect(readFileSync(join(dataFolder, 'postgres/PG_VERSION'), 'utf8')).toBe('18\n');
});

test('a folder that is not empty is refused and left as it is', async () => {
  const { folder } = await (await runningStorage()).backUp();
  const dataFolder = newDataFolder();
  mkdirSync(dataFolder);
  writeFileSync(join(dataFolder, 'mine'), '');
  await expect(restoreBackup({ backup: folder, dataFolder })).rejects.toMatchObject({
    code: 'GPUB_RESTORE_FOLDER_NOT_EMPTY',
  });
  expect(existsSync(join(dataFolder, 'postgres'))).toBe(false);
});

test('a time before the end of the backup, or after the end of the archive, is refused', async () => {
  const running = await runningStorage();
  const { folder, manifest } = await running.backUp();
  const restoreTo = (until: Date) => restoreBackup({ backup: folder, dataFolder: newDataFolder(), until });
  await expect(restoreTo(new Date(manifest.startedAt))).rejects.toMatchObject({
    code: 'GPUB_RESTORE_TARGET',
    message: expect.stringContaining('before the end of the backup'),
  });
  await expect(restoreTo(new Date('2199-01-01T00:00:00Z'))).rejects.toMatchObject({
    code: 'GPUB_RESTORE_TARGET',
    message: expect.stringContaining('the archive ends'),
  });
});
