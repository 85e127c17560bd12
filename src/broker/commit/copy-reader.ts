// Reads many rows as PostgreSQL's binary COPY sends them, one at a time: neither side ever holds all of them, and texts
// do not keep the pieces alive that they came in.
import type pg from 'pg';
import { to } from 'pg-copy-streams';

/** Signature, flags, length of the extension. */
const headerSize = 19;
/** PostgreSQL counts from 2000; milliseconds. */
const year2000 = Date.UTC(2000, 0, 1);

/** The columns of a row, read in their order. */
export class CopiedRow {
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;

  /** For {@link copyRows}. */
  reset(bytes: Buffer, at: number): void {
    this.#bytes = bytes;
    this.#at = at;
  }

  text(): string {
    return this.textOrNull() ?? '';
  }

  textOrNull(): string | null {
    const length = this.#length();
    if (length < 0) return null;
    const start = this.#at;
    this.#at += length;
    return this.#bytes.toString('utf8', start, this.#at);
  }

  /** Plain ASCII, such as an id: quicker than {@link text}. */
  id(): string {
    return this.idOrNull() ?? '';
  }

  idOrNull(): string | null {
    const length = this.#length();
    if (length < 0) return null;
    const start = this.#at;
    this.#at += length;
    return this.#bytes.toString('latin1', start, this.#at);
  }

  boolean(): boolean {
    this.#length();
    return this.#bytes[this.#at++] === 1;
  }

  /** Of a smallint, an integer, or a bigint that is a safe integer; 0 for null. */
  number(): number {
    return this.numberOrNull() ?? 0;
  }

  numberOrNull(): number | null {
    const length = this.#length();
    if (length < 0) return null;
    const start = this.#at;
    this.#at += length;
    if (length === 4) return this.#bytes.readInt32BE(start);
    if (length === 2) return this.#bytes.readInt16BE(start);
    const value = this.#bytes.readInt32BE(start) * 0x1_0000_0000 + this.#bytes.readUInt32BE(start + 4);
    if (!Number.isSafeInteger(value)) throw new RangeError(`${value} does not fit a number`);
    return value;
  }

  /** Milliseconds since 1970, of a timestamptz. */
  time(): number {
    return this.number() / 1000 + year2000;
  }

  timeOrNull(): number | null {
    const value = this.numberOrNull();
    return value === null ? null : value / 1000 + year2000;
  }

  #length(): number {
    const length = this.#bytes.readInt32BE(this.#at);
    this.#at += 4;
    return length;
  }
}

/**
 * Calls `take` for each row of a query, which has as many columns as `take` reads. Ids are best selected as text.
 * @returns how many rows there were
 */
export async function copyRows(client: pg.Client, query: string, take: (row: CopiedRow) => void): Promise<number> {
  const stream = client.query(to(`copy (${query}) to stdout (format binary)`));
  const row = new CopiedRow();
  let rest: Buffer = Buffer.alloc(0);
  let isFirst = true;
  let count = 0;
  for await (const piece of stream as AsyncIterable<Buffer>) {
    const bytes: Buffer = rest.length > 0 ? Buffer.concat([rest, piece]) : piece;
    let at = 0;
    if (isFirst) {
      if (bytes.length < headerSize) {
        rest = bytes;
        continue;
      }
      at = headerSize;
      isFirst = false;
    }
    for (let end = endOfRow(bytes, at); end > 0; end = endOfRow(bytes, at)) {
      row.reset(bytes, at + 2);
      take(row);
      count++;
      at = end;
    }
    rest = bytes.subarray(at);
  }
  return count;
}

/** Where the row that begins here ends; 0 where not all of it is there, or the end of all rows. */
function endOfRow(bytes: Buffer, start: number): number {
  if (start + 2 > bytes.length) return 0;
  const columns = bytes.readInt16BE(start);
  if (columns < 0) return 0;
  let at = start + 2;
  for (let column = 0; column < columns; column++) {
    if (at + 4 > bytes.length) return 0;
    const length = bytes.readInt32BE(at);
    at += 4 + Math.max(length, 0);
  }
  return at <= bytes.length ? at : 0;
}
