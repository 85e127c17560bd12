// How far numbers lie from their middle, by a measure that a few wild ones do not move; and how far one may.
import { medianOf } from './figures.ts';

/** Makes the median of absolute deviations what the standard deviation would be of a normal distribution. */
const normal = 1.4826;

/** The median of the distances from the median, scaled to a standard deviation. NaN of none. */
function spreadOf(numbers: readonly number[]): number {
  const middle = medianOf(numbers);
  return normal * medianOf(numbers.map((number) => Math.abs(number - middle)));
}

/** However narrow the spread: a warm room costs some clocks, and is no fault. */
const leastTolerance = 0.1;
/** However wide it is, half the speed is slow. */
const mostTolerance = 0.5;
/** Spreads that an honest figure may be away. */
const spreads = 3;

/** The part of its usual speed that a figure may lose, for those that were usual until now: 0.1 to 0.5. NaN of none. */
export function toleranceOf(usual: readonly number[]): number {
  return Math.min(mostTolerance, Math.max(leastTolerance, (spreads * spreadOf(usual)) / medianOf(usual)));
}
