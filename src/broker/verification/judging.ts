// What the broker and its verifier say to each other, and the verdict on one page of opened rows.
import { messageOf } from '../../daemon/errors.ts';
import type { Challenge, Place } from '../../proof/challenge.ts';
import type { EpochCheck } from '../../proof/epoch-check.ts';
import { type Verdict, verify } from '../../proof/verify.ts';
import { OpeningReader } from './opening-reader.ts';

/** Some of the rows that one GPU was asked to open. */
export interface Page {
  readonly challenge: Challenge;
  /** What the GPU has committed to. */
  readonly root: Uint8Array;
  readonly places: readonly Place[];
  /** A `ProofOpenings`, as it came. */
  readonly openings: Uint8Array;
}

/** What the verifier is asked. */
export type Question =
  /** For the seed of the size's epoch. */
  { readonly id: number } & ({ readonly size: number } | { readonly page: Page });

/** What it says. */
export type Answer =
  | { readonly id: number; readonly seed: Uint8Array }
  | { readonly id: number; readonly verdict: Verdict; readonly seconds: number }
  /** The broker's own fault, and never that of a GPU. */
  | { readonly id: number; readonly failed: string };

/** Judges a page. What cannot be read is malformed. */
export function judgePage({ challenge, root, places, openings }: Page, check: EpochCheck): Verdict {
  const memory = new Int8Array(challenge.size);
  let opened = 0;
  try {
    for (const opening of new OpeningReader(challenge).read(openings)) {
      const place = places[opened++];
      // One by one: the next is read into the same memory.
      const verdict = verify({ challenge, root, places: place ? [place] : [], openings: [opening] }, check, memory);
      if (!verdict.accepted) return verdict;
    }
  } catch (error) {
    return malformed(`the opened rows cannot be read: ${messageOf(error)}`);
  }
  if (opened === places.length) return { accepted: true };
  return malformed(`${opened} rows were opened; ${places.length} were asked for`);
}

function malformed(message: string): Verdict {
  return { accepted: false, reason: 'malformed', message };
}
