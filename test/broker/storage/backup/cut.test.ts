// Backups that are not whole: cut short by kill -9, a file damaged, missing or too many. Verification tells.
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { findBackup, listBackups } from '../../../../src/broker/storage/backup/list.ts';
import { storedPath } from '../../../../src/broker/storage/backup/manifest.ts';
import { restoreBackup } from '../../../../src/broker/storage/backup/restore.ts';
import { verifyBackup } from '../../../../src/broker/storage/backup/verify.ts';
import { foldersIn } from '../../../../src/broker/storage/embedded/open.ts';
import { runningStorage } from '../../../fixtures/backup.ts';
import { newDataFolder } from '../../../fixtures/storage.ts';
import { storageProcess } from '../../../fixtures/storage-child.ts';

test('a backup that kill -9 cut short is incomplete, cannot be restored, and the next one is sound', async () => {
  const { storage, dataFolder, backUp } = await runningStorage();
  const { backups } = foldersIn(dataFolder);
  const cut = storageProcess('backup', dataFolder, storage.database.url);
  expect(await cut.line()).toBe('begins');
  while (!listBackups(backups).some(({ folder }) => existsSync(join(folder, 'data/base')))) await sleep(5);
  await cut.kill();
  const [found] = listBackups(backups);
  expect(found?.state).toBe('incomplete');
  const folder = findBackup(found?.id ?? '', backups);
  expect(await verifyBackup(folder)).toMatchObject({ state: 'incomplete' });
  await expect(restoreBackup({ backup: folder, dataFolder: newDataFolder() })).rejects.toMatchObject({
    code: 'GPUB_BACKUP_UNUSABLE',
    message: expect.stringContaining('incomplete'),
  });
  const next = await backUp();
  expect(await verifyBackup(next.folder)).toMatchObject({ state: 'sound' });
});

test('a file that is damaged, missing or does not belong is named, and a damaged manifest is told', async () => {
  const { backUp } = await runningStorage();
  const { folder } = await backUp();
  const control = storedPath(folder, 'global/pg_control');
  const bytes = readFileSync(control);
  bytes.writeUInt8(bytes.readUInt8(bytes.length - 3) ^ 1, bytes.length - 3);
  writeFileSync(control, bytes);
  rmSync(storedPath(folder, 'PG_VERSION'));
  writeFileSync(storedPath(folder, 'stranger'), '');
  const { state, problems } = await verifyBackup(folder);
  expect(state).toBe('damaged');
  expect(problems).toEqual([
    'PG_VERSION is missing',
    expect.stringMatching(/^global\/pg_control is damaged/),
    'stranger.zst does not belong to it',
  ]);
  const dataFolder = newDataFolder();
  await expect(restoreBackup({ backup: folder, dataFolder })).rejects.toMatchObject({ code: 'GPUB_BACKUP_UNUSABLE' });
  expect(readdirSync(dataFolder)).not.toContain('postgres');
  const manifest = join(folder, 'manifest.json');
  writeFileSync(manifest, readFileSync(manifest, 'utf8').replace('"serverVersion": "18', '"serverVersion": "19'));
  expect(await verifyBackup(folder)).toMatchObject({
    state: 'damaged',
    problems: [expect.stringContaining('manifest')],
  });
});
