// The first admin: a key in a file that nobody else reads, made once.
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { adminKeyFile, bootstrapAdmin } from '../../../src/broker/identity/bootstrap.ts';
import { createIdentity } from '../../../src/broker/identity/identity.ts';
import { testDatabase } from '../../fixtures/database.ts';

test('the first start writes a key that is an admin’s, the second none', async () => {
  const { db } = await testDatabase();
  const folder = mkdtempSync(join(tmpdir(), 'gpb-bootstrap-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, adminKeyFile);
  const [first, second] = await Promise.all([
    bootstrapAdmin(db, new Date(), folder),
    bootstrapAdmin(db, new Date(), folder),
  ]);
  expect([first, second].filter((written) => written === path)).toHaveLength(1);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const key = readFileSync(path, 'utf8').trim();
  const identity = createIdentity({ db, now: () => new Date() });
  expect(await identity.authenticator.authenticate(`Bearer ${key}`)).toMatchObject({
    role: 'admin',
    scopes: ['admin'],
  });
  rmSync(path);
  expect(await bootstrapAdmin(db, new Date(), folder)).toBeUndefined();
});

test('a broker whose admin keys are all revoked gets another', async () => {
  const { db } = await testDatabase();
  const folder = mkdtempSync(join(tmpdir(), 'gpb-bootstrap-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  await bootstrapAdmin(db, new Date(), folder);
  const before = readFileSync(join(folder, adminKeyFile), 'utf8');
  await db.updateTable('api_keys').set({ revoked_at: new Date() }).execute();
  await bootstrapAdmin(db, new Date(), folder);
  expect(readFileSync(join(folder, adminKeyFile), 'utf8')).not.toBe(before);
});
