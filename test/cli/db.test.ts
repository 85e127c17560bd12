// `gpubroker db …`: on a database by its URL, through a running broker, and on a data folder that nothing runs on.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { migrations } from '../../src/broker/storage/migrations/index.ts';
import { createTestDatabase } from '../fixtures/database.ts';
import { newDataFolder, openTestStorage } from '../fixtures/storage.ts';
import { command } from './command.ts';

const names = Object.keys(migrations);
const last = names.at(-1) ?? '';

test('status, rollback and migrate on a database by its URL', async () => {
  const { url, drop } = await createTestDatabase();
  onTestFinished(drop);
  const db = (...argv: string[]) => command('db', ...argv, '--database-url', url);
  expect((await db('status')).stdout).toMatch(new RegExp(`^MIGRATION +APPLIED\n${names[0]} +20`));
  expect(await db('rollback')).toMatchObject({ code: 0, stdout: `Took back ${last}.\n` });
  const status = JSON.parse((await db('status', '--json')).stdout);
  expect(status.migrations.at(-1)).toEqual({ name: last, appliedAt: null });
  expect(JSON.parse((await db('migrate', '--json')).stdout)).toEqual({ applied: [last] });
  expect(await db('migrate')).toMatchObject({ code: 0, stdout: 'The schema is up to date.\n' });
});

test('a broker that runs on the data folder is used; after it, the server is started for the command', async () => {
  const dataFolder = newDataFolder();
  const storage = await openTestStorage({ dataFolder });
  const through = await command('db', 'status', '--data-dir', dataFolder);
  expect(through).toMatchObject({ code: 0, stdout: expect.stringContaining(last) });
  await storage.close();
  const alone = await command('db', 'status', '--data-dir', dataFolder);
  expect(alone.stdout).toBe(through.stdout);
  expect(existsSync(join(dataFolder, 'postgres/postmaster.pid'))).toBe(false);
  expect(existsSync(join(dataFolder, 'database.json'))).toBe(false);
});

test('a backup is taken, listed, verified and restored', async () => {
  const dataFolder = newDataFolder();
  await openTestStorage({ dataFolder });
  const taken = await command('db', 'backup', '--data-dir', dataFolder, '--json');
  const { id, folder } = JSON.parse(taken.stdout);
  expect((await command('db', 'backups', '--data-dir', dataFolder)).stdout).toMatch(new RegExp(`${id} +complete`));
  expect(await command('db', 'verify', id, '--data-dir', dataFolder)).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('is sound'),
  });
  const restored = await command('db', 'restore', folder, '--data-dir', newDataFolder());
  expect(restored.stderr).toBe('');
  expect(restored.stdout).toMatch(/TABLE +ROWS +CHECKSUM\npublic\.accounts +0 +0\n/);
});

test('a folder without a database, and a backup that is not there, are errors with a code', async () => {
  const dataFolder = newDataFolder();
  const status = await command('db', 'status', '--data-dir', dataFolder);
  expect(status).toMatchObject({ code: 1, stderr: expect.stringContaining('GPUB_DATABASE_FOLDER_EMPTY') });
  expect(existsSync(dataFolder)).toBe(false);
  const verify = await command('db', 'verify', 'latest', '--data-dir', dataFolder);
  expect(verify).toMatchObject({ code: 1, stderr: expect.stringContaining('GPUB_BACKUP_NOT_FOUND') });
});

test.each([
  ['a time without a zone', ['restore', 'latest', '--data-dir', '/x', '--until', '2026-01-02T03:04:05']],
  ['a number of backups that is none', ['backup', '--keep', '0']],
  ['two retentions', ['backup', '--keep', '1', '--keep-days', '1']],
  ['no folder to restore to', ['restore', 'latest']],
])('%s is wrong usage', async (_what, argv) => {
  expect((await command('db', ...argv)).code).toBe(2);
});
