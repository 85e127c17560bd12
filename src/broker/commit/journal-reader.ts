// Reads the market's journal in order, a page at a time, as its chain sees it.
import { type Kysely, sql } from 'kysely';
import type { Database } from '../storage/database.ts';
import type { Schema } from '../storage/schema.ts';
import type { ChainedRow } from './chain.ts';

/** A row with the hash that is stored with it. */
export interface JournalEntry extends ChainedRow {
  readonly hash: Buffer;
}

/** Where the journal stands. */
export interface JournalEnd {
  readonly seq: number;
  readonly epoch: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly hash: Buffer;
}

/** Rows of one query. */
const page = 2000;

/** Rows after one place up to another, in pages; each page is a statement of its own, so that nothing is held up. */
export async function* readJournal(
  db: Database,
  after: number,
  until: number,
): AsyncGenerator<readonly JournalEntry[], void> {
  for (let last = after; last < until; ) {
    const { rows } = await sql<JournalEntry>`
      select seq, at, epoch, account_id as "accountId", user_id as "userId", command::text as command,
        result::text as result, key_account_id as "keyAccountId", idempotency_key as key, encode(digest, 'hex') as digest, hash
      from market_journal where seq > ${last} and seq <= ${until} order by seq limit ${page}
    `.execute(db);
    const end = rows.at(-1);
    if (end === undefined) return;
    yield rows;
    last = end.seq;
  }
}

/** Where it stands now. */
export async function journalEnd(db: Kysely<Schema>): Promise<JournalEnd> {
  return db.selectFrom('market_state').select(['seq', 'epoch', 'at', 'hash']).executeTakeFirstOrThrow();
}

/** The place before its first row: 0 while nothing was removed; undefined while it has no row. */
export async function journalBase(db: Database): Promise<number | undefined> {
  const row = await db.selectFrom('market_journal').select('seq').orderBy('seq').limit(1).executeTakeFirst();
  return row && row.seq - 1;
}
