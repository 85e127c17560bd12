// Sorts a million slots without calling back for each pair of them.

/** The slots by a column of whole numbers, smallest first; the list itself is left as it is. */
export function sortedBy(slots: Int32Array, column: Float64Array): Int32Array {
  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  for (const slot of slots) {
    least = Math.min(least, column[slot] as number);
    most = Math.max(most, column[slot] as number);
  }
  const spread = column.length;
  if (!((most - least + 1) * spread <= Number.MAX_SAFE_INTEGER)) {
    return slots.toSorted((one, other) => (column[one] as number) - (column[other] as number));
  }
  // What is sorted by goes into one number with the slot, and these sort as they are.
  const keys = Float64Array.from(slots, (slot) => ((column[slot] as number) - least) * spread + slot).sort();
  return Int32Array.from(keys, (key) => key % spread);
}
