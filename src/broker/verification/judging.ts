// What the broker and its verifier say to each other, and the verdict on one page of opened rows.
import type { Challenge, Place } from '../../proof/challenge.ts';
import { digestSize } from '../../proof/challenge.ts';
import type { EpochCheck } from '../../proof/epoch-check.ts';
import { type OpenedRow, type Opening, type Verdict, verify } from '../../proof/verify.ts';
import { ProofOpenings, type ProofRow } from '../../wire/gpubroker/node/v1/proof.ts';

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
  let opened: readonly Opening[];
  try {
    opened = ProofOpenings.decode(openings).openings.map(({ product, before }) => ({
      product: openedRow(product),
      before: before && openedRow(before),
    }));
  } catch {
    return { accepted: false, reason: 'malformed', message: 'the opened rows cannot be read' };
  }
  return verify({ challenge, root, places, openings: opened }, check);
}

/** A row of no length is none: the verdict says so. */
function openedRow({ row, path }: ProofRow = { row: Buffer.alloc(0), path: Buffer.alloc(0) }): OpenedRow {
  if (row.length % 4 !== 0 || path.length % digestSize !== 0) throw new RangeError('no whole numbers or hashes');
  // Short fields may begin anywhere in their buffer.
  const { buffer, byteOffset, byteLength } = row.byteOffset % 4 === 0 ? row : new Uint8Array(row);
  return {
    row: new Int32Array(buffer, byteOffset, byteLength / 4),
    path: Array.from({ length: path.length / digestSize }, (_, at) =>
      path.subarray(at * digestSize, (at + 1) * digestSize),
    ),
  };
}
