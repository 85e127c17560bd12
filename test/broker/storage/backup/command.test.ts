// The backup that a broker takes of itself is one that `db verify` finds sound; a failure says why.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { lastBackup } from '../../../../src/broker/storage/administration.ts';
import { runBackupCommand } from '../../../../src/broker/storage/backup/command.ts';
import { listBackups } from '../../../../src/broker/storage/backup/list.ts';
import { verifyBackup } from '../../../../src/broker/storage/backup/verify.ts';
import { foldersIn } from '../../../../src/broker/storage/embedded/open.ts';
import { runningStorage } from '../../../fixtures/backup.ts';

const program = join(import.meta.dirname, '../../../../src/cli/main.ts');
const never = new AbortController().signal;

test('a running database is backed up', async () => {
  const { dataFolder } = await runningStorage();
  expect(lastBackup(dataFolder)).toBeUndefined();
  await runBackupCommand({ dataFolder, keepDays: 14, program }, never);
  const [backup] = listBackups(foldersIn(dataFolder).backups);
  expect((await verifyBackup(backup?.folder ?? '')).state).toBe('sound');
  expect(lastBackup(dataFolder)?.getTime()).toBeGreaterThan(Date.now() - 60_000);
});

test('a failure says why', async () => {
  const dataFolder = '/nonexistent/folder';
  await expect(runBackupCommand({ dataFolder, keepDays: 14, program }, never)).rejects.toMatchObject({
    code: 'GPUB_BACKUP_FAILED',
    message: expect.stringContaining('/nonexistent/folder'),
  });
});
