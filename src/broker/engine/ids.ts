// UUIDs as four 32-bit words, and those that the engine makes itself: from the time and a counter, so that a replay
// makes the same.

const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
const pattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Whether a text is a UUID as the engine keeps them: in lower case. */
export function isUuid(text: string): boolean {
  return pattern.test(text);
}

/** A UUIDv7 (RFC 9562, 5.7) whose random bits are a counter. */
export function madeId(at: number, counter: number): string {
  const high = Math.floor(at / 0x1_0000);
  const low = at % 0x1_0000;
  const top = Math.floor(counter / 0x1_0000_0000);
  return uuidOf(high, ((low << 16) | 0x7000) >>> 0, (0x8000_0000 | top) >>> 0, counter >>> 0);
}

/** The text of four words. */
export function uuidOf(a: number, b: number, c: number, d: number): string {
  return `${word(a)}-${half(b >>> 16)}-${half(b)}-${half(c >>> 16)}-${half(c)}${word(d)}`;
}

function word(number: number): string {
  return half(number >>> 16) + half(number);
}

function half(number: number): string {
  return (hex[(number >>> 8) & 0xff] as string) + (hex[number & 0xff] as string);
}

/** Fills the four words of a UUID. */
export function readUuid(text: string, words: Uint32Array): void {
  words[0] = digits(text, 0, 8);
  words[1] = (digits(text, 9, 13) << 16) | digits(text, 14, 18);
  words[2] = (digits(text, 19, 23) << 16) | digits(text, 24, 28);
  words[3] = digits(text, 28, 36);
}

function digits(text: string, from: number, to: number): number {
  let number = 0;
  for (let i = from; i < to; i++) {
    const code = text.charCodeAt(i);
    number = (number << 4) | (code > 96 ? code - 87 : code - 48);
  }
  return number >>> 0;
}
