// Follows the chain of the market's journal from its beginning to its end, and says where it is broken.
import type { Database } from '../storage/database.ts';
import { chainHash, chainStart } from './chain.ts';
import { type JournalEntry, journalBase, journalEnd, readJournal } from './journal-reader.ts';
import { type SnapshotHead, snapshotHeads } from './snapshot-store.ts';

export interface JournalReport {
  readonly sound: boolean;
  /** The place after which the chain was followed: 0, or that of a snapshot where what came before was removed. */
  readonly after: number;
  /** The last row. */
  readonly seq: number;
  readonly rows: number;
  /** Snapshots whose place in the chain was checked. */
  readonly snapshots: number;
  /** SHA-256 of the last row in hexadecimal: whoever noted an older one can compare. */
  readonly hash: string;
  readonly wrong: number;
  /** The first problems, in words. */
  readonly problems: readonly string[];
}

/** Problems that are told. */
const mostTold = 20;

/**
 * Checks every row that is kept: its hash, that none is missing, that time and epochs do not run backwards, that
 * snapshots stand where they say, and that the last row is the one that the market's state names.
 * @param onProgress called after each page with the rows done and the rows there are
 */
export async function verifyJournal(
  db: Database,
  onProgress?: (done: number, of: number) => void,
): Promise<JournalReport> {
  // Read first: what is added meanwhile is not looked at.
  const end = await journalEnd(db);
  const heads = await snapshotHeads(db);
  const walk = new Walk(heads);
  const after = walk.begin(await journalBase(db), end.seq);
  for await (const rows of readJournal(db, after, end.seq)) {
    for (const row of rows) walk.next(row);
    onProgress?.(walk.rows, end.seq - after);
  }
  walk.end(end.seq, end.hash);
  const { rows, snapshots, wrong, problems, hash } = walk;
  return { sound: wrong === 0, after, seq: end.seq, rows, snapshots, hash: hash.toString('hex'), wrong, problems };
}

/** A walk along the chain. */
class Walk {
  rows = 0;
  snapshots = 0;
  wrong = 0;
  hash: Buffer = chainStart;
  readonly problems: string[] = [];
  readonly #heads: ReadonlyMap<number, SnapshotHead>;
  #seq = 0;
  #at = 0;
  #epoch = 0;

  constructor(heads: readonly SnapshotHead[]) {
    this.#heads = new Map(heads.map((head) => [head.seq, head]));
  }

  /** @returns the place after which the rows are followed */
  begin(base: number | undefined, last: number): number {
    if (base === 0 || last === 0) return 0;
    // What lies before the oldest snapshot is on its way out: see journal-retention.ts of the jobs.
    const start = [...this.#heads.values()].find(({ seq }) => seq >= (base ?? last));
    if (start) {
      this.hash = start.journalHash;
      this.#seq = start.seq;
      this.snapshots++;
      return start.seq;
    }
    this.#say(`the journal begins after ${base ?? last}, and no snapshot says what was before`);
    return 0;
  }

  next(row: JournalEntry): void {
    this.rows++;
    if (row.seq !== this.#seq + 1) this.#say(`after ${this.#seq} comes ${row.seq}`);
    else if (!chainHash(this.hash, row).equals(row.hash)) this.#say(`row ${row.seq} is not what was written`);
    if (row.at < this.#at) this.#say(`row ${row.seq} is older than the one before it`);
    if (row.epoch < this.#epoch) this.#say(`row ${row.seq} is of an epoch that had ended`);
    const head = this.#heads.get(row.seq);
    if (head) {
      this.snapshots++;
      if (!head.journalHash.equals(row.hash)) this.#say(`the snapshot at ${row.seq} belongs to another journal`);
    }
    // From here on as it stands: each break is told once.
    this.hash = row.hash;
    this.#seq = row.seq;
    this.#at = row.at;
    this.#epoch = row.epoch;
  }

  end(seq: number, hash: Buffer): void {
    if (this.#seq !== seq) this.#say(`the last row is ${this.#seq}, and the market's state says ${seq}`);
    else if (!this.hash.equals(hash)) this.#say(`row ${seq} is not the one that the market's state names`);
  }

  #say(problem: string): void {
    this.wrong++;
    if (this.problems.length < mostTold) this.problems.push(problem);
  }
}
