// One column of many rows as an array in PostgreSQL's binary format, written into a buffer that is used again. The
// server reads it without parsing text, and node-postgres sends it as it is.

/** Types of columns, with their numbers in PostgreSQL's catalogue. */
const oids = {
  uuid: 2950,
  text: 25,
  json: 114,
  jsonb: 3802,
  smallint: 21,
  integer: 23,
  bigint: 20,
  boolean: 16,
  /** Given in milliseconds since 1970. */
  timestamptz: 1184,
  bytea: 17,
} as const;

export type ColumnType = keyof typeof oids;
export type ColumnValue = string | number | boolean | Uint8Array | null;

/** Dimensions, null flag, element type, length, lower bound. */
const headerSize = 20;
/** PostgreSQL counts from 2000; milliseconds. */
const year2000 = Date.UTC(2000, 0, 1);
const dash = 0x2d;

export class ArrayColumn {
  readonly #type: ColumnType;
  #buffer = Buffer.allocUnsafe(1024);
  #end = headerSize;
  #length = 0;
  #hasNull = false;

  constructor(type: ColumnType) {
    this.#type = type;
  }

  clear(): void {
    this.#end = headerSize;
    this.#length = 0;
    this.#hasNull = false;
    // One large batch does not keep its memory.
    if (this.#buffer.length > 1 << 22) this.#buffer = Buffer.allocUnsafe(1024);
  }

  push(value: ColumnValue): void {
    this.#length++;
    if (value === null) {
      this.#hasNull = true;
      this.#reserve(4);
      this.#end = this.#buffer.writeInt32BE(-1, this.#end);
    } else if (typeof value === 'number') this.#number(value);
    else if (typeof value === 'string') this.#string(value);
    else if (typeof value === 'boolean') {
      this.#reserve(5);
      this.#end = this.#buffer.writeInt32BE(1, this.#end);
      this.#buffer[this.#end++] = value ? 1 : 0;
    } else this.#bytes(value);
  }

  /** The array; good until the next {@link clear} or {@link push}. */
  finish(): Buffer {
    const buffer = this.#buffer;
    buffer.writeInt32BE(this.#length === 0 ? 0 : 1, 0);
    buffer.writeInt32BE(this.#hasNull ? 1 : 0, 4);
    buffer.writeInt32BE(oids[this.#type], 8);
    buffer.writeInt32BE(this.#length, 12);
    buffer.writeInt32BE(1, 16);
    return buffer.subarray(0, this.#length === 0 ? 12 : this.#end);
  }

  #number(value: number): void {
    this.#reserve(12);
    const buffer = this.#buffer;
    if (this.#type === 'integer') {
      buffer.writeInt32BE(4, this.#end);
      this.#end = buffer.writeInt32BE(value, this.#end + 4);
    } else if (this.#type === 'smallint') {
      buffer.writeInt32BE(2, this.#end);
      this.#end = buffer.writeInt16BE(value, this.#end + 4);
    } else {
      const whole = this.#type === 'timestamptz' ? (value - year2000) * 1000 : value;
      if (!Number.isSafeInteger(whole)) throw new RangeError(`${value} is no whole number of ${this.#type}`);
      buffer.writeInt32BE(8, this.#end);
      buffer.writeInt32BE(Math.floor(whole / 0x1_0000_0000), this.#end + 4);
      // Modulo 2^32, as ToInt32 does it also below zero.
      this.#end = buffer.writeInt32BE(whole | 0, this.#end + 8);
    }
  }

  #string(value: string): void {
    if (this.#type === 'uuid') {
      this.#reserve(20);
      this.#end = this.#buffer.writeInt32BE(16, this.#end);
      this.#uuid(value);
      return;
    }
    // A character takes three bytes at most for each of its UTF-16 units.
    this.#reserve(4 + value.length * 3);
    const length = this.#buffer.write(value, this.#end + 4, 'utf8');
    this.#buffer.writeInt32BE(length, this.#end);
    this.#end += 4 + length;
  }

  #bytes(value: Uint8Array): void {
    this.#reserve(4 + value.length);
    this.#end = this.#buffer.writeInt32BE(value.length, this.#end);
    this.#buffer.set(value, this.#end);
    this.#end += value.length;
  }

  #uuid(text: string): void {
    const buffer = this.#buffer;
    let at = this.#end;
    let high = -1;
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index);
      if (code === dash) continue;
      const digit = hexDigit(code);
      if (digit < 0) break;
      if (high < 0) high = digit;
      else {
        if (at < this.#end + 16) buffer[at] = (high << 4) | digit;
        at++;
        high = -1;
      }
    }
    if (at !== this.#end + 16 || high >= 0 || text.length !== 36) throw new TypeError(`"${text}" is no UUID`);
    this.#end = at;
  }

  #reserve(size: number): void {
    if (this.#end + size <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#end + size));
    this.#buffer.copy(larger, 0, 0, this.#end);
    this.#buffer = larger;
  }
}

/** -1 for no digit. */
function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
