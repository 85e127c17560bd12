// The migrations: up, down, and up again, without rows and with them.
import { expect, test } from 'vitest';
import { newId } from '../../../src/broker/ids.ts';
import { type TableChecksum, tableChecksums } from '../../../src/broker/storage/backup/checksums.ts';
import type { Database } from '../../../src/broker/storage/database.ts';
import { migrations } from '../../../src/broker/storage/migrations/index.ts';
import { migrate, migrationStatus, rollback } from '../../../src/broker/storage/migrator.ts';
import { testDatabase } from '../../fixtures/database.ts';

test('every migration can be taken back and applied again', async () => {
  const { db } = await testDatabase();
  const names = Object.keys(migrations);
  for (const name of names.toReversed()) expect((await rollback(db)).names).toEqual([name]);
  expect((await migrationStatus(db)).filter(({ executedAt }) => executedAt)).toEqual([]);
  expect((await migrate(db)).names).toEqual(names);
});

test('taking migrations back and applying them again keeps every row of the tables that stay', async () => {
  const { db } = await testDatabase();
  await addRows(db);
  const before = await rowsOf(db);
  expect(before.filter(({ rows }) => rows > 0).length).toBeGreaterThan(6);
  for (const _ of Object.keys(migrations).slice(2)) {
    await rollback(db);
    const left = await rowsOf(db);
    expect(left).toEqual(before.filter(({ table }) => left.some((other) => other.table === table)));
    await migrate(db);
    const tables = new Set(left.map(({ table }) => table));
    expect((await rowsOf(db)).filter(({ table }) => tables.has(table))).toEqual(left);
    await rollback(db);
  }
  expect((await rowsOf(db)).find(({ table }) => table === 'public.nodes')?.rows).toBe(1);
});

/** Without the migrator's own tables, which say when. */
async function rowsOf(db: Database): Promise<TableChecksum[]> {
  return (await tableChecksums(db)).filter(({ table }) => !table.startsWith('public.kysely_'));
}

/** A row in the tables that others hang on. */
async function addRows(db: Database): Promise<void> {
  const at = new Date('2026-01-02T03:04:05.678Z');
  const [account, user, provider, cluster, node] = [newId(), newId(), newId(), newId(), newId()];
  await db.insertInto('accounts').values({ id: account, name: 'Ä "quoted" account', created_at: at }).execute();
  await db
    .insertInto('users')
    .values({
      id: user,
      account_id: account,
      email: 'a@example.org',
      name: 'A',
      role: 'provider',
      password_hash: null,
      oidc_issuer: null,
      oidc_subject: null,
      created_at: at,
      disabled_at: null,
    })
    .execute();
  await db
    .insertInto('providers')
    .values({
      id: provider,
      account_id: account,
      name: 'P',
      company: 'P',
      status: 'verified',
      status_reason: null,
      kyc_data: JSON.stringify({ number: 1e21, text: '\\ \u{1f600}' }),
      created_at: at,
      status_changed_at: at,
    })
    .execute();
  await db
    .insertInto('clusters')
    .values({ id: cluster, provider_id: provider, name: 'C', region: 'eu', specs: '{}', created_at: at })
    .execute();
  await db
    .insertInto('nodes')
    .values({
      id: node,
      cluster_id: cluster,
      hostname: 'n',
      declared_gpus: '[]',
      created_at: at,
      status_since: at,
      joined_at: null,
      last_seen_at: null,
      decommissioned_at: null,
      ip_address: null,
      clock_skew_ms: null,
      round_trip_micros: null,
    })
    .execute();
  await db
    .insertInto('journal')
    .values({
      seq: 1,
      at,
      kind: 'node.joined',
      provider_id: provider,
      cluster_id: cluster,
      node_id: node,
      gpu_id: null,
      data: '{"id":1}',
    })
    .execute();
  await db
    .insertInto('incidents')
    .values({
      id: newId(),
      kind: 'node-offline',
      severity: 'critical',
      status: 'open',
      subject: `node:${node}`,
      provider_id: provider,
      cluster_id: cluster,
      node_id: node,
      gpu_id: null,
      title: 'offline',
      details: '{}',
      opened_at: at,
      last_seen_at: at,
      acknowledged_at: null,
      acknowledged_by: null,
      closed_at: null,
      closed_reason: null,
    })
    .execute();
}
