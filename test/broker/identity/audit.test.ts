// The audit log: a chain that holds under concurrency, shows every tampering, and survives its own retention.
import fc from 'fast-check';
import { sql } from 'kysely';
import { describe, expect, test } from 'vitest';
import type { AuditEntryView } from '../../../src/api/audit.ts';
import { ChainCheck, canonicalJson, readChainPoint, verifyChain } from '../../../src/api/audit-chain.ts';
import { identityRoutes } from '../../../src/broker/api/http/routes/identity.ts';
import { type AuditEntry, appendAudit } from '../../../src/broker/identity/audit.ts';
import { auditRetention, entryView, readChain, removeOldAudit } from '../../../src/broker/identity/audit-log.ts';
import { newId } from '../../../src/broker/ids.ts';
import type { Database } from '../../../src/broker/storage/database.ts';
import { startTestApi } from '../../fixtures/broker-http.ts';
import { testDatabase } from '../../fixtures/database.ts';
import { runs } from '../../properties.ts';

const entry = (action: string, details: Record<string, unknown> = {}): AuditEntry => ({
  actor: { kind: 'user', id: newId() },
  accountId: newId(),
  action,
  target: { kind: 'thing', id: 'a thing' },
  outcome: 'allowed',
  details,
});

async function entries(db: Database): Promise<AuditEntryView[]> {
  const rows = await db.selectFrom('audit_log').selectAll().orderBy('seq').execute();
  return rows.map(entryView);
}

async function verdict(db: Database) {
  const { start, end } = await readChain(db);
  return verifyChain(await entries(db), start, end);
}

async function filled(db: Database, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await appendAudit(db, new Date(1e12 + i), entry(`act.${i}`, { i }));
}

test('fifty that append at once make one valid chain', async () => {
  const { db } = await testDatabase();
  await Promise.all(
    Array.from({ length: 50 }, (_, i) =>
      db.transaction().execute((trx) => appendAudit(trx, new Date(), entry(`act.${i}`, { i }))),
    ),
  );
  expect(await verdict(db)).toMatchObject({ valid: true, entries: 50, end: { seq: 50 } });
});

test('an entry is there if and only if its transaction commits', async () => {
  const { db } = await testDatabase();
  await filled(db, 1);
  const failed = db.transaction().execute(async (trx) => {
    await appendAudit(trx, new Date(), entry('undone'));
    throw new Error('no');
  });
  await expect(failed).rejects.toThrow('no');
  await filled(db, 1);
  expect(await verdict(db)).toMatchObject({ valid: true, entries: 2 });
});

test('any plain details are kept as the hash covers them', async () => {
  const { db } = await testDatabase();
  const details = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue() as fc.Arbitrary<unknown>);
  await fc.assert(
    fc.asyncProperty(details, async (value) => {
      await appendAudit(db, new Date(), entry('any', { ...value, text: 'a\0b\ud800', big: 1n, none: undefined }));
      expect(await verdict(db)).toMatchObject({ valid: true });
    }),
    runs(12, 500),
  );
});

describe('tampering', () => {
  /** What somebody does who may do anything in the database. */
  const as = async (db: Database, statement: string) => {
    await sql
      .raw(`alter table audit_log disable trigger user; ${statement}; alter table audit_log enable trigger user`)
      .execute(db);
  };

  test.each([
    ['a changed row', `update audit_log set details = '{"i": 99}' where seq = 3`, 3, 'not as it was written'],
    ['a changed actor', `update audit_log set actor_id = 'x' where seq = 2`, 2, 'not as it was written'],
    ['a removed row', 'delete from audit_log where seq = 3', 4, 'entry 3 is missing'],
    ['a removed end', 'delete from audit_log where seq >= 4', 4, 'missing'],
    ['a removed beginning', 'delete from audit_log where seq = 1', 2, 'entry 1 is missing'],
    [
      'two rows with each other’s numbers',
      'update audit_log set seq = 99 where seq = 2; update audit_log set seq = 2 where seq = 3; update audit_log set seq = 3 where seq = 99',
      2,
      'the entry before it',
    ],
  ])('%s shows', async (_what, statement, seq, reason) => {
    const { db } = await testDatabase();
    await filled(db, 5);
    await as(db, statement);
    expect(await verdict(db)).toMatchObject({ valid: false, seq, reason: expect.stringContaining(reason) });
  });

  test('the log refuses changes of the ordinary kind', async () => {
    const { db } = await testDatabase();
    await filled(db, 1);
    await expect(db.deleteFrom('audit_log').execute()).rejects.toThrow('append-only');
    await expect(db.updateTable('audit_log').set({ action: 'x' }).execute()).rejects.toThrow('append-only');
    await expect(sql`truncate audit_log`.execute(db)).rejects.toThrow('append-only');
  });
});

test('entries older than a year go, and the rest stays verifiable', async () => {
  const { db } = await testDatabase();
  const now = new Date('2026-06-01T00:00:00Z');
  const old = new Date(now.getTime() - auditRetention - 1000);
  for (const at of [old, old, now, old, now]) await appendAudit(db, at, entry('act'));
  expect(await removeOldAudit(db, now)).toBe(2);
  // The fourth is old by its clock, but stands after one that is kept.
  expect((await entries(db)).map(({ seq }) => seq)).toEqual([3, 4, 5]);
  expect(await verdict(db)).toMatchObject({ valid: true, entries: 3 });
  expect(await removeOldAudit(db, new Date(now.getTime() + 2 * auditRetention))).toBe(3);
  expect(await verdict(db)).toMatchObject({ valid: true, entries: 0 });
  await filled(db, 1);
  expect(await verdict(db)).toMatchObject({ valid: true, entries: 1, end: { seq: 6 } });
});

test('canonical JSON does not depend on the order of keys', () => {
  expect(canonicalJson({ b: [1, { d: 1, c: null }], a: 'x', u: undefined })).toBe('{"a":"x","b":[1,{"c":null,"d":1}]}');
});

test('a write that is refused leaves an entry, a read does not', async () => {
  const api = await startTestApi(identityRoutes);
  const { consumer } = api.principals;
  await api.as('consumer').get('/users');
  await api.as('consumer').post('/accounts', { name: 'mine' });
  await api.as('consumer').delete(`/auth/api-keys/${api.principals.provider.credentialId}`);
  await api.as('anonymous').post('/accounts', { name: 'mine' });
  const rows = await api.db.selectFrom('audit_log').selectAll().orderBy('seq').execute();
  expect(rows).toMatchObject([
    { action: 'account.create', outcome: 'refused', actor_id: consumer.credentialId, details: { status: 403 } },
    { action: 'api-key.revoke', outcome: 'refused', account_id: consumer.accountId, details: { status: 404 } },
  ]);
  expect(await verdict(api.db)).toMatchObject({ valid: true });
});

describe('an end that was kept elsewhere', () => {
  async function checked(db: Database, remembered: { seq: number; hash: string }) {
    const { start, end } = await readChain(db);
    const check = new ChainCheck(start, remembered);
    const found = check.add(await entries(db));
    return found.valid ? check.finish(end) : found;
  }

  test('shows a log that was cut, or written anew, whose own chain is whole', async () => {
    const { db } = await testDatabase();
    await filled(db, 5);
    const { end } = await readChain(db);
    await filled(db, 2);
    expect(await checked(db, end)).toMatchObject({ valid: true, entries: 7 });
    await sql`alter table audit_log disable trigger user`.execute(db);
    await sql`delete from audit_log where seq > 3`.execute(db);
    await sql`update audit_chain set last_seq = 3, last_hash = (select hash from audit_log where seq = 3)`.execute(db);
    expect(await verdict(db)).toMatchObject({ valid: true });
    expect(await checked(db, end)).toMatchObject({ valid: false, seq: 5, reason: expect.stringContaining('cut') });
    await filled(db, 4);
    expect(await verdict(db)).toMatchObject({ valid: true });
    expect(await checked(db, end)).toMatchObject({ valid: false, seq: 5, reason: expect.stringContaining('anew') });
  });

  test('is compared with the beginning too, and must not be older', async () => {
    const { db } = await testDatabase();
    const start = { seq: 0, hash: '0'.repeat(64) };
    expect(await checked(db, (await readChain(db)).start)).toMatchObject({ valid: true });
    expect(await checked(db, { ...start, hash: 'f'.repeat(64) })).toMatchObject({ valid: false, seq: 0 });
    const check = new ChainCheck({ seq: 4, hash: start.hash }, { seq: 3, hash: start.hash });
    expect(check.finish({ seq: 4, hash: start.hash })).toMatchObject({ valid: false, seq: 3 });
  });

  test('is written as number and hash', () => {
    const hash = 'aB'.repeat(32);
    expect(readChainPoint(`17:${hash}`)).toEqual({ seq: 17, hash: hash.toLowerCase() });
    for (const text of ['', '17', `-1:${hash}`, `17:${hash}0`, `17:${hash.slice(1)}`]) {
      expect(readChainPoint(text)).toBeUndefined();
    }
  });
});
