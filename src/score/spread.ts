// How far numbers lie from their middle, by a measure that a few wild ones do not move.
import { medianOf } from './figures.ts';

/** Makes the median of absolute deviations what the standard deviation would be of a normal distribution. */
const normal = 1.4826;

/** The median of the distances from the median, scaled to a standard deviation. NaN of none. */
export function spreadOf(numbers: readonly number[]): number {
  const middle = medianOf(numbers);
  return normal * medianOf(numbers.map((number) => Math.abs(number - middle)));
}
