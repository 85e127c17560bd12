// Which rows the verifier asks to see: drawn only after the commitment has come, so that nobody can know them before.
import { type Challenge, limits, type Place } from './challenge.ts';
import { below } from './uniform.ts';

/**
 * Draws places, each on its own: a cheat that left out a share e of all rows is found with 1 − (1 − e)^count.
 *
 * @param random a source of uniform 32-bit numbers that nobody can guess
 * @throws RangeError for a count that is not allowed
 */
export function drawPlaces({ size, rounds }: Challenge, count: number, random: () => number): Place[] {
  const { least, most } = limits.places;
  if (!Number.isInteger(count) || count < least || count > most) {
    throw new RangeError(`places: ${count} is not allowed; ${least} to ${most} are`);
  }
  return Array.from({ length: count }, () => ({ round: below(rounds, random), row: below(size, random) }));
}
