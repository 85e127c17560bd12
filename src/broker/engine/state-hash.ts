// A fingerprint of the state: a sum over its records, so that the order in which they come does not matter.
import type { EngineRecord } from './contract.ts';

const primes = [0x9e3779b1, 0x85ebca6b, 0xc2b2ae35, 0x27d4eb2f] as const;

/** @returns 32 hexadecimal digits; no proof against somebody who looks for two states with the same */
export function hashOf(records: Iterable<EngineRecord>): string {
  const sums = new Uint32Array(4);
  const lanes = new Uint32Array(4);
  for (const record of records) {
    hashText(JSON.stringify(record), lanes);
    for (let i = 0; i < 4; i++) sums[i] = (sums[i] as number) + (lanes[i] as number);
  }
  return Array.from(sums, (sum) => sum.toString(16).padStart(8, '0')).join('');
}

function hashText(text: string, lanes: Uint32Array): void {
  const [p, q, r, s] = primes;
  let [a, b, c, d] = [p, q, r, s] as [number, number, number, number];
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, p);
    b = Math.imul((b ^ code) + (a >>> 15), q);
    c = Math.imul((c ^ code) + (b >>> 13), r);
    d = Math.imul((d ^ code) + (c >>> 16), s);
  }
  lanes[0] = finished(a ^ d);
  lanes[1] = finished(b ^ lanes[0]);
  lanes[2] = finished(c ^ lanes[1]);
  lanes[3] = finished(d ^ lanes[2]);
}

function finished(number: number): number {
  let mixed = Math.imul(number ^ (number >>> 16), primes[1]);
  mixed = Math.imul(mixed ^ (mixed >>> 13), primes[2]);
  return mixed ^ (mixed >>> 16);
}
