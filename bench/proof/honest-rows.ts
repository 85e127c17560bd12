// An honest answer to a challenge of any size, for a few of its rows, which are opened again and again: these are computed,
// and the tree holds random hashes in place of all others. All of the work would take this machine days.
import { randomBytes, randomInt } from 'node:crypto';
import { chainOfRow, matrixB } from '../../src/proof/chain.ts';
import { type Challenge, digestSize, type Place } from '../../src/proof/challenge.ts';
import { Commitment, hashOfRow } from '../../src/proof/commitment.ts';
import { ConnectRequest } from '../../src/wire/gpubroker/node/v1/node_link.ts';
import { ProofOpenings } from '../../src/wire/gpubroker/node/v1/proof.ts';

/** An answer as its node sends it. */
export interface HonestRows {
  readonly root: Buffer;
  readonly places: readonly Place[];
  /** Messages of the node link, each with so many openings. */
  readonly messages: readonly Uint8Array[];
}

/** Rows that are computed, of each of two rounds. */
const computed = 8;

/** Rows of round 1, each with that of round 0: a row of a later round costs as much to check, and more to make. */
export function honestRows(challenge: Challenge, count: number, perMessage: number): HonestRows {
  const { size, rounds } = challenge;
  const b = matrixB(challenge);
  const rows = Array.from({ length: Math.min(count, computed) }, () => randomInt(size));
  const chains = rows.map((row) => chainOfRow({ ...challenge, rounds: 2 }, b, row));
  const leaves = randomBytes(size * rounds * digestSize);
  for (const [index, row] of rows.entries()) {
    for (const round of [0, 1]) leaves.set(hashOfRow(rowOf(chains, index, round)), (round * size + row) * digestSize);
  }
  const commitment = new Commitment(challenge, leaves);
  const places = Array.from({ length: count }, (_, index) => ({ round: 1, row: rows[index % rows.length] as number }));
  const opened = (index: number, round: number) => ({
    row: Buffer.from(rowOf(chains, index % rows.length, round).buffer),
    path: Buffer.concat(commitment.path({ round, row: (places[index] as Place).row })),
  });
  const messages: Uint8Array[] = [];
  for (let first = 0; first < count; first += perMessage) {
    const indices = Array.from({ length: Math.min(perMessage, count - first) }, (_, at) => first + at);
    const openings = indices.map((index) => ({ product: opened(index, 1), before: opened(index, 0) }));
    const payload = Buffer.from(ProofOpenings.encode({ openings }).finish());
    const challengeResult = { id: 'bench', payload, refused: '' };
    messages.push(ConnectRequest.encode(ConnectRequest.fromPartial({ challengeResult })).finish());
  }
  return { root: commitment.root, places, messages };
}

function rowOf(chains: readonly (readonly Int32Array[])[], index: number, round: number): Int32Array {
  return chains[index]?.[round] as Int32Array;
}
