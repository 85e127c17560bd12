// Snapshots of the engine's state in the database: JSON lines, compressed, a row each.
import { pipeline, Readable } from 'node:stream';
import { pipeline as piped } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { sql } from 'kysely';
import type { EngineRecord } from '../engine/contract.ts';
import type { Queryable } from '../storage/database.ts';

/** What is known of a snapshot without reading it. */
export interface SnapshotHead {
  /** The last command that is in it. */
  readonly seq: number;
  readonly at: Date;
  readonly stateHash: string;
  /** Of the journal's row there. */
  readonly journalHash: Buffer;
  /** Compressed. */
  readonly bytes: number;
}

/** Bytes of one query: a row comes as text, twice as long. */
const piece = 8 * 1024 * 1024;

/** All snapshots, oldest first. */
export async function snapshotHeads(db: Queryable): Promise<SnapshotHead[]> {
  const { rows } = await sql<SnapshotHead>`
    select seq, at, state_hash as "stateHash", journal_hash as "journalHash", octet_length(records) as bytes
    from market_snapshots order by seq
  `.execute(db);
  return rows;
}

/** Stores a snapshot; one of the same place is the same, and stays. */
export async function storeSnapshot(
  db: Queryable,
  { seq, at, stateHash, journalHash }: Omit<SnapshotHead, 'bytes'>,
  records: Buffer,
): Promise<void> {
  await db
    .insertInto('market_snapshots')
    .values({ seq, at, state_hash: stateHash, journal_hash: journalHash, records })
    .onConflict((conflict) => conflict.column('seq').doNothing())
    .execute();
}

/** The records as they are stored. `onRecord` sees each. */
export async function packRecords(
  records: AsyncIterable<EngineRecord> | Iterable<EngineRecord>,
  onRecord?: (record: EngineRecord) => void,
): Promise<Buffer> {
  const lines = async function* () {
    let text = '';
    for await (const record of records) {
      onRecord?.(record);
      text += `${JSON.stringify(record)}\n`;
      if (text.length < 65_536) continue;
      yield text;
      text = '';
    }
    yield text;
  };
  const chunks: Buffer[] = [];
  await piped(Readable.from(lines()), createGzip({ level: 5 }), async (packed: AsyncIterable<Buffer>) => {
    for await (const chunk of packed) chunks.push(chunk);
  });
  return Buffer.concat(chunks);
}

/** The records of a snapshot, in order. @throws Error where it is not whole */
export async function* unpackRecords(db: Queryable, seq: number): AsyncGenerator<EngineRecord, void> {
  const text = createGunzip().setEncoding('utf8');
  // A failure at either end destroys the other, and comes out of the loop below.
  pipeline(Readable.from(storedBytes(db, seq), { objectMode: false }), text, () => {});
  let rest = '';
  for await (const chunk of text as AsyncIterable<string>) {
    const lines = `${rest}${chunk}`.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) yield JSON.parse(line) as EngineRecord;
  }
  if (rest !== '') throw new Error(`the snapshot at ${seq} ends in the middle of a line`);
}

async function* storedBytes(db: Queryable, seq: number): AsyncGenerator<Buffer, void> {
  for (let from = 1; ; from += piece) {
    const { rows } = await sql<{ part: Buffer }>`
      select substring(records from ${from}::integer for ${piece}::integer) as part
      from market_snapshots where seq = ${seq}
    `.execute(db);
    const part = rows[0]?.part;
    if (part === undefined || part.length === 0) return;
    yield part;
    if (part.length < piece) return;
  }
}
