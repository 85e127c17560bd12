// Opening storage: of our own in a data folder, or a server's by its URL.
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sql } from 'kysely';
import { expect, onTestFinished, test } from 'vitest';
import { ownerOf } from '../../../src/broker/storage/embedded/folder-owner.ts';
import { serverOn } from '../../../src/broker/storage/embedded/orphan.ts';
import { migrations } from '../../../src/broker/storage/migrations/index.ts';
import { createTestDatabase } from '../../fixtures/database.ts';
import { onServer } from '../../fixtures/postgres.ts';
import { newDataFolder, openTestStorage } from '../../fixtures/storage.ts';

async function freshUrl(): Promise<string> {
  const { url, drop } = await createTestDatabase();
  onTestFinished(drop);
  return url;
}

test('without a URL PostgreSQL runs in the data folder, and what was written is there after the next start', async () => {
  const dataFolder = newDataFolder();
  const first = await openTestStorage({ dataFolder });
  expect(first.isEmbedded).toBe(true);
  expect(first.serverVersion).toMatch(/^18\./);
  await sql`create table kept (n int)`.execute(first.database.db);
  await sql`insert into kept values (7)`.execute(first.database.db);
  await first.close();
  const second = await openTestStorage({ dataFolder });
  expect((await sql`select n from kept`.execute(second.database.db)).rows).toEqual([{ n: 7 }]);
  const { rows } = await sql<{ name: string; setting: string }>`select name, setting from pg_settings where name in
    ('fsync', 'full_page_writes', 'synchronous_commit', 'archive_mode', 'wal_level', 'data_checksums', 'wal_compression',
     'listen_addresses', 'archive_timeout') order by name`.execute(second.database.db);
  expect(Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))).toEqual({
    archive_mode: 'on',
    archive_timeout: '60',
    data_checksums: 'on',
    fsync: 'on',
    full_page_writes: 'on',
    listen_addresses: '',
    synchronous_commit: 'on',
    wal_compression: 'pglz',
    wal_level: 'replica',
  });
  expect(statSync(join(dataFolder, 'postgres')).mode & 0o777).toBe(0o700);
  expect(JSON.parse(readFileSync(join(dataFolder, 'database.json'), 'utf8')).pid).toBe(process.pid);
});

test('a data folder has one owner at a time', async () => {
  const dataFolder = newDataFolder();
  await openTestStorage({ dataFolder });
  await expect(openTestStorage({ dataFolder })).rejects.toMatchObject({
    code: 'GPUB_DATABASE_FOLDER_IN_USE',
    message: expect.stringContaining(String(process.pid)),
  });
});

test('a start that is given up leaves no server and no owner', async () => {
  const dataFolder = newDataFolder();
  const abort = AbortSignal.abort(new Error('told to stop'));
  await expect(openTestStorage({ dataFolder, abort })).rejects.toThrow('told to stop');
  expect(serverOn(join(dataFolder, 'postgres'))).toBeUndefined();
  expect(ownerOf(dataFolder)).toBeUndefined();
});

test('a data folder that is no folder is refused', async () => {
  const dataFolder = newDataFolder();
  writeFileSync(dataFolder, '');
  await expect(openTestStorage({ dataFolder })).rejects.toMatchObject({
    code: 'GPUB_DATABASE_FOLDER_UNUSABLE',
    message: expect.stringContaining(dataFolder),
  });
});

test('with a URL the schema there is brought up to date', async () => {
  const url = await freshUrl();
  await onServer(url, 'drop schema public cascade; create schema public');
  const storage = await openTestStorage({ databaseUrl: url });
  expect(storage.isEmbedded).toBe(false);
  const { rows } = await sql`select name from kysely_migration order by name`.execute(storage.database.db);
  expect(rows).toEqual(Object.keys(migrations).map((name) => ({ name })));
});

test('a schema of a newer program is refused', async () => {
  const url = await freshUrl();
  await onServer(url, "insert into kysely_migration (name, timestamp) values ('9999-future', '')");
  await expect(openTestStorage({ databaseUrl: url })).rejects.toMatchObject({
    code: 'GPUB_DATABASE_SCHEMA_NEWER',
    message: expect.stringContaining('9999-future'),
  });
});

test('a database that may lose what was committed is refused', async () => {
  const url = await freshUrl();
  const name = /\/(test_\w+)\?/.exec(url)?.[1];
  await onServer(url, `alter database ${name} set synchronous_commit = off`);
  await expect(openTestStorage({ databaseUrl: url })).rejects.toMatchObject({
    code: 'GPUB_DATABASE_UNSAFE',
    message: expect.stringContaining('synchronous_commit'),
  });
});

test('a server that does not answer is given up after the deadline, and the password is in no error', async () => {
  const databaseUrl = 'postgres://user:s3cret@127.0.0.1:1/nothing';
  const opening = openTestStorage({ databaseUrl, connectDeadline: 300 });
  const error = await opening.then(
    () => undefined,
    (thrown: Error & { code?: string; advice?: string }) => thrown,
  );
  expect(error?.code).toBe('GPUB_DATABASE_UNREACHABLE');
  expect(`${error?.message} ${error?.advice}`).not.toContain('s3cret');
});
