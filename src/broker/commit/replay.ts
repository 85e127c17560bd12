// Applies the market's journal again, to an engine of its own, and compares what comes out with what is stored.
import type { Command } from '../engine/commands.ts';
import type { Engine } from '../engine/contract.ts';
import { createEngine } from '../engine/engine.ts';
import type { Database, OpenDatabase } from '../storage/database.ts';
import { type JournalEntry, journalBase, journalEnd, readJournal } from './journal-reader.ts';
import { type SnapshotHead, snapshotHeads, unpackRecords } from './snapshot-store.ts';
import { engineOfTables } from './snapshots.ts';

export interface ReplayOptions {
  /**
   * Where to begin: at the oldest state that is kept (the beginning, while nothing was removed), at the newest
   * snapshot, or at the newest one up to a place.
   */
  readonly from?: 'oldest' | 'newest' | number;
  /** The last command to apply; the tables are compared only without this. */
  readonly until?: number | undefined;
  readonly onProgress?: ((done: number, of: number) => void) | undefined;
}

export interface ReplayReport {
  /** Everything that was compared is equal. */
  readonly equal: boolean;
  /** The place of the state that it began with; 0 for the empty one. */
  readonly after: number;
  /** The last command that was applied. */
  readonly seq: number;
  readonly commands: number;
  /** Snapshots that were passed and compared. */
  readonly snapshots: number;
  /** Answers that are stored, for requests with a key, and were compared. */
  readonly answers: number;
  readonly stateHash: string;
  /** Of what the tables hold at this place; null where they were not compared. */
  readonly tablesHash: string | null;
  readonly wrong: number;
  /** The first differences, in words. */
  readonly problems: readonly string[];
}

/** Differences that are told. */
const mostTold = 20;

/** @throws Error where there is no state to begin with */
export async function replayJournal(
  database: Pick<OpenDatabase, 'db' | 'pool'>,
  { from = 'oldest', until, onProgress }: ReplayOptions = {},
): Promise<ReplayReport> {
  const { db, pool } = database;
  // What the tables hold belongs to the place at which they were read.
  const tables = until === undefined ? await hashOfTables(pool) : undefined;
  const last = Math.min(until ?? Number.POSITIVE_INFINITY, tables?.seq ?? (await journalEnd(db)).seq);
  const heads = await snapshotHeads(db);
  const start = await startOf(db, heads, from, last);
  const run = new Run(heads);
  if (start) await run.restore(db, start);
  for await (const rows of readJournal(db, run.seq, last)) {
    for (const row of rows) run.apply(row);
    onProgress?.(run.commands, last - (start?.seq ?? 0));
  }
  return run.report(start?.seq ?? 0, last, tables?.hash ?? null);
}

async function hashOfTables(pool: OpenDatabase['pool']): Promise<{ seq: number; hash: string }> {
  const { engine, place } = await engineOfTables(pool);
  return { seq: place.seq, hash: engine.stateHash() };
}

/** The snapshot to begin with; undefined for the empty state. */
async function startOf(
  db: Database,
  heads: readonly SnapshotHead[],
  from: ReplayOptions['from'],
  last: number,
): Promise<SnapshotHead | undefined> {
  const base = (await journalBase(db)) ?? last;
  const usable = heads.filter(({ seq }) => seq >= base && seq <= last);
  const upTo = typeof from === 'number' ? from : last;
  const oldest = base === 0 ? undefined : usable[0];
  const wanted = from === 'oldest' ? oldest : usable.filter(({ seq }) => seq <= upTo).at(-1);
  if (wanted || base === 0) return wanted;
  throw new Error(`the journal begins after ${base}, and there is no snapshot to begin with up to ${last}`);
}

/** A replay on its way. */
class Run {
  readonly #heads: ReadonlyMap<number, SnapshotHead>;
  readonly #engine: Engine = createEngine();
  readonly #problems: string[] = [];
  commands = 0;
  seq = 0;
  #wrong = 0;
  #snapshots = 0;
  #answers = 0;

  constructor(heads: readonly SnapshotHead[]) {
    this.#heads = new Map(heads.map((head) => [head.seq, head]));
  }

  async restore(db: Database, { seq, stateHash }: SnapshotHead): Promise<void> {
    for await (const record of unpackRecords(db, seq)) this.#engine.restore(record);
    this.seq = seq;
    this.#snapshots++;
    if (this.#engine.stateHash() !== stateHash) this.#say(`the snapshot at ${seq} is not what its hash says`);
  }

  apply({ seq, at, command, result, key }: JournalEntry): void {
    if (seq !== this.seq + 1) this.#say(`after ${this.seq} comes ${seq}`);
    const outcome = this.#engine.apply(JSON.parse(command) as Command, at);
    // Nobody asks for them here, and they must not pile up.
    this.#engine.takeEvents();
    if (outcome.refusal) this.#say(`${seq} was done, and is refused now: ${outcome.refusal.message}`);
    else if (result !== null) {
      this.#answers++;
      if (JSON.stringify(outcome.result) !== result) this.#say(`${seq} (key ${key}) has another answer now`);
    }
    this.seq = seq;
    this.commands++;
    this.#compare(seq);
  }

  #compare(seq: number): void {
    const head = this.#heads.get(seq);
    if (!head) return;
    this.#snapshots++;
    if (this.#engine.stateHash() !== head.stateHash) this.#say(`the state at ${seq} is not that of the snapshot`);
  }

  report(after: number, last: number, tablesHash: string | null): ReplayReport {
    if (this.seq !== last) this.#say(`the journal ends at ${this.seq}, before ${last}`);
    const stateHash = this.#engine.stateHash();
    if (tablesHash !== null && stateHash !== tablesHash) this.#say(`the tables hold another state at ${last}`);
    return {
      equal: this.#wrong === 0,
      after,
      seq: this.seq,
      commands: this.commands,
      snapshots: this.#snapshots,
      answers: this.#answers,
      stateHash,
      tablesHash,
      wrong: this.#wrong,
      problems: this.#problems,
    };
  }

  #say(problem: string): void {
    this.#wrong++;
    if (this.#problems.length < mostTold) this.#problems.push(problem);
  }
}
