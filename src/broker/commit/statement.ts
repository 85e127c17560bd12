// The statement that stores a batch: one round trip, one transaction. It does nothing at all unless its writer leads
// and the journal stands where the writer believes.
import { type BatchRows, usual, writes } from './tables.ts';

export type RowKind = keyof BatchRows;

/** A statement that the server keeps prepared. */
export interface Statement {
  readonly name: string;
  readonly text: string;
  readonly kinds: readonly RowKind[];
}

/** Parameters of the fence, before those of the rows: see {@link fenceValues}. */
const fence = `leads as (
    select 1 from leader where epoch = $1::bigint for share
  ), moved as (
    update market_state set epoch = $1::bigint, seq = $4::bigint, event_seq = $5::bigint, at = $6::bigint,
      trades = $7::bigint, priority = $8::bigint, ids = $9::bigint, hash = $10::bytea
    where writer = $2::bigint and seq = $3::bigint and exists (select from leads)
    returning 1
  )`;
const fenceParameters = 10;

/** Where the journal stands. */
export interface JournalPlace {
  readonly seq: number;
  readonly eventSeq: number;
  /** Of the last command, in milliseconds since 1970. */
  readonly at: number;
  /** Counters of the engine. */
  readonly trades: number;
  readonly priority: number;
  readonly ids: number;
  readonly hash: Buffer;
}

/** Who writes: a leader's epoch, and the number that its connection took. */
export interface WriterPlace {
  readonly epoch: number;
  readonly writer: number;
}

export function fenceValues({ epoch, writer }: WriterPlace, from: number, to: JournalPlace): (number | Buffer)[] {
  return [epoch, writer, from, to.seq, to.eventSeq, to.at, to.trades, to.priority, to.ids, to.hash];
}

const kinds = Object.keys(writes) as RowKind[];
const noRows = Object.fromEntries(kinds.map((kind) => [kind, []])) as unknown as BatchRows;

/** Of everyday batches. */
const usualStatement = fenced('market_batch', usual);
/** Of any batch. */
const fullStatement = fenced('market_batch_full', kinds);
/** Of a part of a large batch, before the last: the fence comes with that. */
const partStatement = unfenced('market_batch_part', kinds);

function fenced(name: string, kinds: readonly RowKind[]): Statement {
  const text = `with ${fence}, ${parts(kinds, fenceParameters)} select market_fence((select count(*) from moved))`;
  return { name, text, kinds };
}

function unfenced(name: string, kinds: readonly RowKind[]): Statement {
  return { name, text: `with ${parts(kinds, 0)} select`, kinds };
}

function parts(kinds: readonly RowKind[], after: number): string {
  let first = after + 1;
  return kinds
    .map((kind) => {
      const sql = writes[kind].sql(first);
      first += writes[kind].parameters;
      return `${kind} as (${sql})`;
    })
    .join(', ');
}

/** A statement with the parameters of its rows, besides those of the fence. */
export interface Write {
  readonly statement: Statement;
  readonly values: readonly Buffer[];
}

/** What stores a batch. */
export interface Writes {
  /** What one statement would be too large for, made as it is asked for. */
  readonly parts: Iterable<Write>;
  /** With the fence. */
  readonly last: Write;
}

/** @param most rows of one statement */
export function writesOf(rows: BatchRows, most: number): Writes {
  if (sizeOf(rows) <= most) return { parts: [], last: writeOf(isUsual(rows) ? usualStatement : fullStatement, rows) };
  const parts = function* () {
    for (const part of partsOf(rows, most)) yield writeOf(partStatement, part);
  };
  return { parts: { [Symbol.iterator]: parts }, last: writeOf(fullStatement, noRows) };
}

function writeOf(statement: Statement, rows: BatchRows): Write {
  return { statement, values: statement.kinds.flatMap((kind) => valuesOf(kind, rows)) };
}

function valuesOf<Kind extends RowKind>(kind: Kind, rows: BatchRows): Buffer[] {
  return writes[kind].values(rows[kind]);
}

/** Whether the usual statement does for these rows. */
function isUsual(rows: BatchRows): boolean {
  return kinds.every((kind) => rows[kind].length === 0 || usual.includes(kind));
}

/** The rows in parts of so many rows at most, in an order that breaks no rule of the tables. */
function* partsOf(rows: BatchRows, most: number): Generator<BatchRows> {
  let part = { ...noRows };
  let size = 0;
  for (const kind of kinds) {
    for (let start = 0; start < rows[kind].length; ) {
      if (size === most) {
        yield part;
        part = { ...noRows };
        size = 0;
      }
      const taken = rows[kind].slice(start, start + most - size);
      Object.assign(part, { [kind]: taken });
      size += taken.length;
      start += taken.length;
    }
  }
  yield part;
}

function sizeOf(rows: BatchRows): number {
  return kinds.reduce((sum, kind) => sum + rows[kind].length, 0);
}
