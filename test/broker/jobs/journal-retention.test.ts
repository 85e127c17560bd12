// What is forgotten of the journal, and what is kept however old it is.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { appendToJournal, type JournalEvent } from '../../../src/broker/events/journal.ts';
import { newId } from '../../../src/broker/ids.ts';
import type { JobContext } from '../../../src/broker/jobs/job.ts';
import { removeOldJournal } from '../../../src/broker/jobs/journal-retention.ts';
import type { Database } from '../../../src/broker/storage/database.ts';
import { testDatabase } from '../../fixtures/database.ts';
import { runs } from '../../properties.ts';

const day = (at: number) => new Date(Date.UTC(2026, 0, 1 + at));
const [provider, cluster, node, a, b] = [newId(), newId(), newId(), newId(), newId()];

async function happen(db: Database, ...events: JournalEvent[]): Promise<void> {
  await db.transaction().execute((trx) => appendToJournal(trx, events));
}

function gpu(kind: string, at: Date, gpuId: string): JournalEvent {
  return { kind: `gpu.${kind}`, at, providerId: provider, clusterId: cluster, nodeId: node, gpuId, data: {} };
}

/** Runs the job at a day, with ten days of retention. */
function forget(db: Database, at: number): Promise<number> {
  const settings = { journalRetention: 10 * 86_400_000 };
  return removeOldJournal({
    db,
    now: () => day(at),
    settings,
    signal: new AbortController().signal,
  } as unknown as JobContext);
}

async function kept(db: Database): Promise<string[]> {
  const rows = await db.selectFrom('journal').select(['kind', 'at']).orderBy('seq').execute();
  return rows.map(({ kind, at }) => `${kind} ${at.toISOString().slice(8, 10)}`);
}

test('the last event of what is still there stays, and nothing of what was removed', async () => {
  const { db } = await testDatabase();
  const of = { providerId: provider, data: {} };
  const ofNode = { ...of, clusterId: cluster, nodeId: node };
  await happen(
    db,
    { ...of, kind: 'provider.registered', at: day(0) },
    { ...of, kind: 'provider.verified', at: day(1) },
    { ...of, kind: 'cluster.created', at: day(1), clusterId: cluster },
    { ...ofNode, kind: 'node.registered', at: day(1) },
    { ...ofNode, kind: 'node.status', at: day(1) },
    gpu('added', day(2), a),
    gpu('added', day(2), b),
    gpu('changed', day(3), a),
    gpu('removed', day(4), b),
    { ...ofNode, kind: 'incident.opened', at: day(4), gpuId: b },
    gpu('changed', day(15), a),
  );
  expect(await forget(db, 20)).toBe(6);
  const things = ['provider.verified 02', 'cluster.created 02', 'node.status 02'];
  expect(await kept(db)).toEqual([...things, 'gpu.changed 04', 'gpu.changed 16']);
  expect(await forget(db, 20)).toBe(0);
  await forget(db, 40);
  expect(await kept(db)).toEqual([...things, 'gpu.changed 16']);
});

/** The GPUs that somebody knows who has read the journal up to a time. */
async function folded(db: Database, until: Date): Promise<string[]> {
  const rows = await db.selectFrom('journal').selectAll().where('at', '<=', until).orderBy('seq').execute();
  const known = new Map<string, string>();
  for (const { kind, gpu_id, seq } of rows) {
    if (kind === 'gpu.removed') known.delete(gpu_id ?? '');
    else known.set(gpu_id ?? '', `${gpu_id} ${kind} ${seq}`);
  }
  return [...known.values()].sort();
}

test('whoever reads from the beginning comes to the same inventory at any time within the retention', async () => {
  const { db } = await testDatabase();
  const step = fc.record({
    gpuId: fc.constantFrom(a, b, node),
    kind: fc.constantFrom('added', 'changed', 'removed'),
    at: fc.nat(30),
  });
  const property = fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
    await db.deleteFrom('journal').execute();
    const inOrder = steps.toSorted((one, other) => one.at - other.at);
    await happen(db, ...inOrder.map(({ kind, at, gpuId }) => gpu(kind, day(at), gpuId)));
    const times = [20, 24, 30].map(day);
    const before = await Promise.all(times.map((time) => folded(db, time)));
    await forget(db, 30);
    expect(await Promise.all(times.map((time) => folded(db, time)))).toEqual(before);
  });
  await fc.assert(property, runs(30, 300));
});
