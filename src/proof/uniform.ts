// Numbers that are equally likely, from a source of 32-bit ones.

/**
 * A number from 0 up to a bound, without the bound itself.
 *
 * @param random a source of uniform 32-bit numbers
 */
export function below(bound: number, random: () => number): number {
  // Numbers beyond the last whole stretch are drawn again, or the smallest would come more often.
  const end = Math.floor(2 ** 32 / bound) * bound;
  for (;;) {
    const drawn = random() >>> 0;
    if (drawn < end) return drawn % bound;
  }
}
