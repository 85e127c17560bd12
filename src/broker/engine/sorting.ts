// Sorts a million slots without calling back for each pair of them.
import { type Orders, rowOf, slotOf } from './orders.ts';

/** The slots by their place in time, oldest first; the list itself is left as it is. */
export function sortedInTime(slots: Int32Array, orders: Pick<Orders, 'priorityOf' | 'rows'>): Int32Array {
  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  for (const slot of slots) {
    const priority = orders.priorityOf(slot);
    least = Math.min(least, priority);
    most = Math.max(most, priority);
  }
  const { rows } = orders;
  if (!((most - least + 1) * rows <= Number.MAX_SAFE_INTEGER)) {
    return slots.toSorted((one, other) => orders.priorityOf(one) - orders.priorityOf(other));
  }
  // The priority goes into one number with the row, and these sort as they are.
  const keys = Float64Array.from(slots, (slot) => (orders.priorityOf(slot) - least) * rows + rowOf(slot)).sort();
  return Int32Array.from(keys, (key) => slotOf(key % rows));
}
