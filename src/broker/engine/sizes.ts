// Classes of open sizes, as bits: what says in one number which sizes are to be found in a part of the book.

/** 1 to 16 have a class each; then 17 to 32, 33 to 64, and so on. */
const exactSizes = 16;

function classOf(open: number): number {
  return open <= exactSizes ? open - 1 : 43 - Math.clz32(open - 1);
}

/** The bit of an open size; none for 0. */
export function sizeBit(open: number): number {
  return open <= 0 ? 0 : 1 << classOf(open);
}

/** The bits of all classes that may hold a size of at least `open`. */
export function sizesFrom(open: number): number {
  return open <= 1 ? anySize : -1 << classOf(open);
}

export const anySize = -1;

/** No size of these classes is greater. */
export function largestOf(bits: number): number {
  const highest = 31 - Math.clz32(bits);
  return highest < exactSizes ? highest + 1 : 1 << (highest - 11);
}

/** No size of the class of this bit is smaller. */
export function smallestOf(bit: number): number {
  const index = 31 - Math.clz32(bit);
  return index < exactSizes ? index + 1 : (1 << (index - 12)) + 1;
}
