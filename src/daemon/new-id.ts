// New ids: UUIDv7, so that they sort by the time at which they were made (RFC 9562, 5.7).
import { randomFillSync } from 'node:crypto';

const size = 16;
/** Random bytes for the next ids: asked for one id at a time, they cost more than all the rest. */
const pool = Buffer.alloc(256 * size);
let used = pool.length;

/** The first 48 bits are `now` in milliseconds; 74 of the others are random. */
export function newId(now: number = Date.now()): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const at = used;
  used += size;
  pool.writeUIntBE(now, at, 6);
  pool[at + 6] = ((pool[at + 6] ?? 0) & 0x0f) | 0x70;
  pool[at + 8] = ((pool[at + 8] ?? 0) & 0x3f) | 0x80;
  const hex = pool.toString('hex', at, used);
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
