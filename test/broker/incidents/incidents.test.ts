// Incidents open once, are counted while open, close, and come back as the same one when they flap.
import { expect, test } from 'vitest';
import {
  closeIncidents,
  flappingTime,
  type IncidentReport,
  reportIncidents,
} from '../../../src/broker/incidents/incidents.ts';
import type { Database } from '../../../src/broker/storage/database.ts';
import { testDatabase } from '../../fixtures/database.ts';

const start = new Date('2026-01-05T09:00:00Z');
const after = (ms: number) => new Date(start.getTime() + ms);

const offline = (node: string, more: Partial<IncidentReport> = {}): IncidentReport => ({
  kind: 'node-offline',
  severity: 'critical',
  subject: `node:${node}`,
  title: `${node} is offline`,
  ...more,
});

const report = (db: Database, now: Date, reports: readonly IncidentReport[]) =>
  db.transaction().execute((trx) => reportIncidents(trx, now, reports));
const close = (db: Database, now: Date, node: string) =>
  db
    .transaction()
    .execute((trx) => closeIncidents(trx, now, [{ kind: 'node-offline', subject: `node:${node}` }], 'back'));
const all = (db: Database) => db.selectFrom('incidents').selectAll().orderBy('opened_at').orderBy('subject').execute();
const journal = async (db: Database) =>
  (await db.selectFrom('journal').select(['kind', 'data']).orderBy('seq').execute()).map(({ kind, data }) => [
    kind,
    data.subject,
  ]);

test('a report opens an incident, a second one counts', async () => {
  const { db } = await testDatabase();
  await report(db, start, [offline('a', { details: { seen: 1 } })]);
  await report(db, after(1000), [offline('a', { details: { more: 2 } })]);
  expect(await all(db)).toMatchObject([
    { status: 'open', occurrences: 2, opened_at: start, last_seen_at: after(1000), details: { seen: 1, more: 2 } },
  ]);
  expect(await journal(db)).toEqual([['incident.opened', 'node:a']]);
});

test('the severity rises but does not fall while it is open', async () => {
  const { db } = await testDatabase();
  for (const severity of ['warning', 'critical', 'info'] as const)
    await report(db, start, [offline('a', { severity })]);
  expect(await all(db)).toMatchObject([{ severity: 'critical', occurrences: 3 }]);
  expect((await journal(db)).map(([kind]) => kind)).toEqual(['incident.opened', 'incident.changed']);
});

test('closes what is open, and leaves the rest', async () => {
  const { db } = await testDatabase();
  await report(db, start, [offline('a'), offline('b')]);
  await close(db, after(1000), 'a');
  await close(db, after(2000), 'a');
  await close(db, after(2000), 'c');
  expect(await all(db)).toMatchObject([
    { subject: 'node:a', status: 'closed', closed_at: after(1000), closed_reason: 'back' },
    { subject: 'node:b', status: 'open' },
  ]);
  expect(await journal(db)).toEqual([
    ['incident.opened', 'node:a'],
    ['incident.opened', 'node:b'],
    ['incident.closed', 'node:a'],
  ]);
});

test('one that comes back soon is the same; one that comes back late is new', async () => {
  const { db } = await testDatabase();
  await report(db, start, [offline('a')]);
  for (const turn of [1, 2]) {
    await close(db, after(turn * 10_000), 'a');
    await report(db, after(turn * 10_000 + 5000), [offline('a')]);
  }
  expect(await all(db)).toMatchObject([
    { status: 'open', occurrences: 3, details: { flapping: 2 }, closed_reason: null },
  ]);
  await close(db, after(30_000), 'a');
  await report(db, after(30_000 + flappingTime), [offline('a')]);
  expect(await all(db)).toMatchObject([{ status: 'closed' }, { status: 'open', occurrences: 1, details: {} }]);
});

test('several reports of one thing in one call count as many', async () => {
  const { db } = await testDatabase();
  await report(db, start, [offline('a', { severity: 'critical' }), offline('a', { severity: 'info' }), offline('b')]);
  expect(await all(db)).toMatchObject([{ severity: 'critical', occurrences: 2 }, { occurrences: 1 }]);
});

test('reporters at the same time open one incident, and none fails', async () => {
  const { db } = await testDatabase();
  const nodes = Array.from({ length: 20 }, (_, i) => `n${i}`);
  await Promise.all([
    report(
      db,
      start,
      nodes.map((node) => offline(node)),
    ),
    report(
      db,
      start,
      nodes.toReversed().map((node) => offline(node)),
    ),
    report(
      db,
      start,
      nodes.map((node) => offline(node)),
    ),
  ]);
  const rows = await all(db);
  expect(rows.map(({ occurrences }) => occurrences)).toEqual(nodes.map(() => 3));
});

test('thousands are opened, counted and closed by a statement each', async () => {
  const { db } = await testDatabase();
  const reports = Array.from({ length: 5000 }, (_, i) => offline(`n${i}`));
  await report(db, start, reports);
  await report(db, after(1000), reports);
  await db.transaction().execute((trx) => closeIncidents(trx, after(2000), reports, 'all back'));
  const counted = await db
    .selectFrom('incidents')
    .select((q) => ['status', 'occurrences', q.fn.countAll<number>().as('incidents')])
    .groupBy(['status', 'occurrences'])
    .execute();
  expect(counted).toEqual([{ status: 'closed', occurrences: 2, incidents: 5000 }]);
});
