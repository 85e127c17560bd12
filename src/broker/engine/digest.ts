// Mixes numbers and texts into 128 bits: the same ones in the same order always to the same.

// As signed numbers of 32 bits, like all that is mixed here: larger ones would be slow.
const p = 0x9e3779b1 | 0;
const q = 0x85ebca6b | 0;
const r = 0xc2b2ae35 | 0;
const s = 0x27d4eb2f | 0;

/** No proof against somebody who looks for two inputs with the same digest. */
export class Digest {
  private a = p;
  private b = q;
  private c = r;
  private d = s;

  start(): void {
    this.a = p;
    this.b = q;
    this.c = r;
    this.d = s;
  }

  /** 32 bits. */
  word(word: number): void {
    this.a = Math.imul(this.a ^ word, p);
    this.b = Math.imul((this.b ^ word) + (this.a >>> 15), q);
    this.c = Math.imul((this.c ^ word) + (this.b >>> 13), r);
    this.d = Math.imul((this.d ^ word) + (this.c >>> 16), s);
  }

  /** A whole number, or Infinity. */
  number(number: number): void {
    this.word(number | 0);
    this.word(Math.floor(number / 0x1_0000_0000) | 0);
  }

  text(text: string): void {
    this.word(text.length);
    for (let i = 0; i < text.length; i += 2) this.word((text.charCodeAt(i) << 16) | text.charCodeAt(i + 1));
  }

  /** Adds what was mixed since the start to sums of 32 bits each. */
  addTo(sums: Uint32Array): void {
    const a = finished(this.a ^ this.d);
    const b = finished(this.b ^ a);
    const c = finished(this.c ^ b);
    add(sums, 0, a);
    add(sums, 1, b);
    add(sums, 2, c);
    add(sums, 3, finished(this.d ^ c));
  }
}

function add(sums: Uint32Array, index: number, word: number): void {
  sums[index] = (sums[index] as number) + word;
}

function finished(number: number): number {
  const once = Math.imul(number ^ (number >>> 16), q);
  const twice = Math.imul(once ^ (once >>> 13), r);
  return twice ^ (twice >>> 16);
}
