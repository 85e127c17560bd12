// How long a look at memory takes that nothing could foresee: a book with a million orders is little else.

const words = 1 << 24;
const looks = 1_000_000;

/** Nanoseconds of a look at one of 64 MiB, each at a place that the one before names. */
export function memoryLatency(): number {
  const next = new Int32Array(words);
  for (let at = 0; at < words; at++) next[at] = at;
  // One cycle through all of them (Sattolo's shuffle), from a fixed seed.
  let seed = 20_261;
  for (let at = words - 1; at > 0; at--) {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    const other = seed % at;
    const swapped = next[at] as number;
    next[at] = next[other] as number;
    next[other] = swapped;
  }
  let at = 0;
  const started = performance.now();
  for (let look = 0; look < looks; look++) at = next[at] as number;
  const took = performance.now() - started;
  // So that the looks are not left out.
  if (at < 0) throw new Error('no such place');
  return (took / looks) * 1e6;
}
