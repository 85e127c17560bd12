// Finds the row of an order by its id: a hash table over typed arrays, because a million texts would cost ten times
// the memory.
import type { Digest } from './digest.ts';
import { readUuid, uuidOf } from './ids.ts';

const empty = -1;

export class OrderIds {
  /** Four words of each row. */
  private words = new Uint32Array(4 * 1024);
  /** Rows by hash, with linear probing; a power of two, at most five eighths full. */
  private table = new Int32Array(2048).fill(empty);
  private size = 0;
  private readonly wanted = new Uint32Array(4);

  /** The row of an id; undefined where there is none. */
  find(id: string): number | undefined {
    if (id.length !== 36) return undefined;
    readUuid(id, this.wanted);
    const mask = this.table.length - 1;
    for (let at = hash(this.wanted, 0) & mask; ; at = (at + 1) & mask) {
      const row = this.table[at] as number;
      if (row === empty) return undefined;
      if (this.isWanted(row)) return row;
    }
  }

  /** Every row, in no order. */
  rows(): Int32Array {
    return this.table.filter((row) => row !== empty);
  }

  /** Mixes in an id. */
  digest(row: number, digest: Digest): void {
    for (let at = row * 4; at < row * 4 + 4; at++) digest.word(this.words[at] as number);
  }

  idOf(row: number): string {
    const { words } = this;
    const at = row * 4;
    return uuidOf(words[at] as number, words[at + 1] as number, words[at + 2] as number, words[at + 3] as number);
  }

  /** The id is a UUID that has no row. */
  add(row: number, id: string): void {
    if (row * 4 >= this.words.length) this.growWords(row);
    readUuid(id, this.wanted);
    this.words.set(this.wanted, row * 4);
    if (++this.size > (this.table.length / 8) * 5) this.growTable();
    this.put(row);
  }

  /** Those that come after in the sequence move up, so that no hole parts them from their place. */
  remove(row: number): void {
    const { table } = this;
    const mask = table.length - 1;
    let hole = this.placeOf(row);
    while (table[hole] !== row) hole = (hole + 1) & mask;
    for (let at = (hole + 1) & mask; table[at] !== empty; at = (at + 1) & mask) {
      const distance = (at - this.placeOf(table[at] as number)) & mask;
      if (distance < ((at - hole) & mask)) continue;
      table[hole] = table[at] as number;
      hole = at;
    }
    table[hole] = empty;
    this.size--;
  }

  private placeOf(row: number): number {
    return hash(this.words, row * 4) & (this.table.length - 1);
  }

  private isWanted(row: number): boolean {
    const { words, wanted } = this;
    const at = row * 4;
    return (
      words[at + 3] === wanted[3] &&
      words[at] === wanted[0] &&
      words[at + 1] === wanted[1] &&
      words[at + 2] === wanted[2]
    );
  }

  private put(row: number): void {
    const mask = this.table.length - 1;
    let at = this.placeOf(row);
    while (this.table[at] !== empty) at = (at + 1) & mask;
    this.table[at] = row;
  }

  private growWords(row: number): void {
    const longer = new Uint32Array(Math.ceil((row + 1) * 1.25) * 4);
    longer.set(this.words);
    this.words = longer;
  }

  private growTable(): void {
    const before = this.table;
    this.table = new Int32Array(before.length * 2).fill(empty);
    for (const row of before) if (row !== empty) this.put(row);
  }
}

function hash(words: Uint32Array, at: number): number {
  let mixed = Math.imul((words[at + 3] as number) ^ Math.imul(words[at + 2] as number, 0x9e3779b1), 0x85ebca6b);
  mixed ^= Math.imul((words[at] as number) ^ ((words[at + 1] as number) << 7), 0xc2b2ae35);
  mixed ^= mixed >>> 15;
  mixed = Math.imul(mixed, 0x2c1b3c6d);
  return mixed ^ (mixed >>> 13);
}
