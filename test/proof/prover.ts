// A prover in TypeScript: the whole answer to a challenge by the definition, and with it whatever a cheat may change.
import { products } from '../../src/proof/chain.ts';
import type { Challenge, Place } from '../../src/proof/challenge.ts';
import { Commitment, hashOfRow } from '../../src/proof/commitment.ts';
import type { OpenedRow, Opening } from '../../src/proof/verify.ts';

/** All products, committed to. */
export interface Proven {
  readonly rows: readonly (readonly Int32Array[])[];
  readonly commitment: Commitment;
}

export function prove(challenge: Challenge, rows: readonly (readonly Int32Array[])[] = products(challenge)): Proven {
  return { rows, commitment: new Commitment(challenge, Buffer.concat(rows.flat().map(hashOfRow))) };
}

export function open({ rows, commitment }: Proven, places: readonly Place[]): Opening[] {
  const opened = (place: Place): OpenedRow => ({
    row: rows[place.round]?.[place.row] as Int32Array,
    path: commitment.path(place),
  });
  return places.map((place) => ({
    product: opened(place),
    before: place.round === 0 ? undefined : opened({ ...place, round: place.round - 1 }),
  }));
}
