// Takes snapshots of the market's state: from the tables, as of one moment, while the broker goes on.
import type pg from 'pg';
import { createEngine } from '../engine/engine.ts';
import type { OpenDatabase } from '../storage/database.ts';
import { loadTables } from './recovery.ts';
import { packRecords, type SnapshotHead, snapshotHeads, storeSnapshot } from './snapshot-store.ts';

/** A snapshot, and whether it is new. */
export interface TakenSnapshot extends SnapshotHead {
  readonly isNew: boolean;
}

/** Takes one; where no command came since the last, that one is good. */
export async function takeSnapshot(database: Pick<OpenDatabase, 'db' | 'pool'>): Promise<TakenSnapshot> {
  const { db } = database;
  const newest = (await snapshotHeads(db)).at(-1);
  const { seq } = await db.selectFrom('market_state').select('seq').executeTakeFirstOrThrow();
  if (newest?.seq === seq) return { ...newest, isNew: false };
  const { engine, place } = await engineOfTables(database.pool);
  const head = { seq: place.seq, at: new Date(place.at), stateHash: engine.stateHash(), journalHash: place.hash };
  const records = await packRecords(engine.records());
  await storeSnapshot(db, head, records);
  return { ...head, bytes: records.length, isNew: true };
}

/** An engine with the state that the tables hold, and where the journal stands there. */
export async function engineOfTables(pool: pg.Pool) {
  const client = await pool.connect();
  try {
    const engine = createEngine();
    const place = await loadTables(client, (record) => engine.restore(record));
    return { engine, place };
  } finally {
    client.release();
  }
}
