// The verdict on what a GPU has answered: whether the rows that it was asked for are those that it committed to, and
// whether they are the products that the challenge asked for.
import { rowOfA } from './chain.ts';
import { type Challenge, digestSize, type Place } from './challenge.ts';
import { isCommitted, pathLengthOf } from './commitment.ts';
import type { EpochCheck } from './epoch-check.ts';

/** A row with its way to the root. */
export interface OpenedRow {
  readonly row: Int32Array;
  /** The hashes beside the way, the lowest first. */
  readonly path: readonly Uint8Array[];
}

/** The answer for one place: its row, and the same row of the round before, which it was made of. */
export interface Opening {
  readonly product: OpenedRow;
  /** Undefined in round 0, where A comes from the seed. */
  readonly before: OpenedRow | undefined;
}

/** Bytes of an opening: two rows with their ways to the root. In round 0 it is half as many. */
export function openingBytes(challenge: Pick<Challenge, 'size' | 'rounds'>): number {
  return 2 * (challenge.size * 4 + pathLengthOf(challenge) * digestSize);
}

export type Verdict =
  | { readonly accepted: true }
  | {
      readonly accepted: false;
      /** `malformed`: not as many rows, or not as long, as were asked for. */
      readonly reason: 'malformed' | 'not-committed' | 'wrong-product';
      /** For people. */
      readonly message: string;
    };

/** What the node has said, and what it was asked. */
export interface Answer {
  readonly challenge: Challenge;
  readonly root: Uint8Array;
  readonly places: readonly Place[];
  /** In the order of the places. */
  readonly openings: readonly Opening[];
}

/**
 * Judges an answer. The time it took is the caller's to judge, by the clock that ran while it was made.
 *
 * @param check of the challenge's epoch and size
 * @param memory for a row of A, for who judges many answers
 */
export function verify(
  answer: Answer,
  check: EpochCheck,
  memory: Int8Array = new Int8Array(answer.challenge.size),
): Verdict {
  const { places, openings } = answer;
  if (openings.length !== places.length) {
    return refused('malformed', `${openings.length} rows were opened; ${places.length} were asked for`);
  }
  for (const [index, place] of places.entries()) {
    const verdict = judge(answer, place, openings[index] as Opening, check, memory);
    if (!verdict.accepted) return verdict;
  }
  return { accepted: true };
}

function judge(
  { challenge, root }: Answer,
  place: Place,
  { product, before }: Opening,
  check: EpochCheck,
  memory: Int8Array,
): Verdict {
  const { round, row } = place;
  const where = `round ${round}, row ${row}`;
  if ((before === undefined) !== (round === 0)) return refused('malformed', `${where}: the row before is amiss`);
  const opened = before ? [product, before] : [product];
  if (!opened.every((one) => isWellFormed(challenge, one))) return refused('malformed', `${where}: wrong lengths`);
  const committed =
    isCommitted(challenge, root, place, product.row, product.path) &&
    (!before || isCommitted(challenge, root, { round: round - 1, row }, before.row, before.path));
  if (!committed) return refused('not-committed', `${where}: the row is not what was committed to`);
  const a = rowOfA(challenge, round, row, before?.row, memory);
  if (!check.holds(a, product.row)) return refused('wrong-product', `${where}: the row is not the product asked for`);
  return { accepted: true };
}

function isWellFormed(challenge: Challenge, { row, path }: OpenedRow): boolean {
  return (
    row.length === challenge.size &&
    path.length === pathLengthOf(challenge) &&
    path.every(({ length }) => length === digestSize)
  );
}

function refused(reason: 'malformed' | 'not-committed' | 'wrong-product', message: string): Verdict {
  return { accepted: false, reason, message };
}
