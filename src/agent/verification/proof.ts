// The node's side of a proof of GPU: does the work of a challenge on a device, commits to it, and opens rows of it.
//
// The device keeps one product at a time, for all of them would not fit: the rows that are opened are computed once
// more, from the seeds on, each from its own row alone.
import { type Challenge, checkChallenge, digestSize, type Place } from '../../proof/challenge.ts';
import { Commitment } from '../../proof/commitment.ts';
import { keyOfA, keyOfB } from '../../proof/generator.ts';
import type { OpenedRow, Opening } from '../../proof/verify.ts';
import type { ComputeDevice, DeviceMemory, Grid } from './compute.ts';

/** The kernels in each of the languages that devices take. */
export const proofProgram = 'proof';

/** Rows and columns of the tiles that the product's kernel works in, and its work items. */
const tiles = { cuda: { size: 128, items: 256 }, opencl: { size: 32, items: 64 } };
const simpleGroup = 64;

/** A device with the memory for challenges of one size. */
export class Prover {
  readonly #device: ComputeDevice;
  readonly #size: number;
  readonly #a: DeviceMemory;
  readonly #b: DeviceMemory;
  readonly #product: DeviceMemory;
  #epochSeed: Uint8Array | undefined;

  /** Allocates six bytes for each element of a matrix. @throws ComputeError */
  constructor(device: ComputeDevice, size: number) {
    this.#device = device;
    this.#size = size;
    const elements = size * size;
    this.#a = device.allocate(elements);
    this.#b = device.allocate(elements);
    this.#product = device.allocate(elements * 4);
  }

  /** Makes the matrix of an epoch, unless it is there; not a part of the work that is timed. */
  prepare(challenge: Challenge): void {
    checkChallenge(challenge);
    if (challenge.size !== this.#size) throw new RangeError(`size: ${challenge.size}; memory is for ${this.#size}`);
    if (this.#epochSeed && Buffer.compare(this.#epochSeed, challenge.epochSeed) === 0) return;
    const groups = (this.#size / 4) ** 2;
    this.#launch('proof_fill_b', grid(groups), [...keyOfB(challenge), this.#size, this.#b]);
    this.#device.finish();
    this.#epochSeed = challenge.epochSeed;
  }

  /** Does the work and commits to it. */
  prove(challenge: Challenge): Commitment {
    this.prepare(challenge);
    const { size, rounds } = challenge;
    const leaves = this.#device.allocate(size * rounds * digestSize);
    try {
      for (let round = 0; round < rounds; round++) {
        this.#round(challenge, round);
        this.#launch('proof_hash', grid(size), [size, size, this.#product, round * size, leaves]);
      }
      const hashes = Buffer.alloc(leaves.bytes);
      this.#device.download(leaves, hashes);
      return new Commitment(challenge, hashes);
    } finally {
      leaves.free();
    }
  }

  /** The rows at these places: computes all rounds once more. */
  open(challenge: Challenge, commitment: Commitment, places: readonly Place[]): Opening[] {
    this.prepare(challenge);
    const rows = new Map<string, Int32Array>();
    const last = places.reduce((most, { round }) => Math.max(most, round), 0);
    for (let round = 0; round <= last; round++) {
      this.#round(challenge, round);
      for (const place of neededIn(round, places)) rows.set(keyOf(place), this.#row(place.row));
    }
    const opened = (place: Place): OpenedRow => ({
      row: rows.get(keyOf(place)) as Int32Array,
      path: commitment.path(place),
    });
    return places.map(({ round, row }) => ({
      product: opened({ round, row }),
      before: round === 0 ? undefined : opened({ round: round - 1, row }),
    }));
  }

  free(): void {
    for (const memory of [this.#a, this.#b, this.#product]) memory.free();
  }

  #round(challenge: Challenge, round: number): void {
    const key = keyOfA(challenge, round);
    const words = this.#size ** 2 / 4;
    if (round === 0) this.#launch('proof_fill_a', grid(words), [...key, words, this.#a]);
    else this.#launch('proof_next', grid(words), [...key, words, this.#product, this.#a]);
    const { size, items } = tiles[this.#device.info.backend];
    const product = { groups: (this.#size / size) ** 2, groupSize: items };
    this.#launch('proof_product', product, [this.#size, this.#a, this.#b, this.#product]);
  }

  #row(row: number): Int32Array {
    const values = new Int32Array(this.#size);
    this.#device.download(this.#product, new Uint8Array(values.buffer), row * values.byteLength);
    return values;
  }

  #launch(kernel: string, size: Grid, values: readonly (DeviceMemory | number)[]): void {
    this.#device.launch(proofProgram, kernel, size, values);
  }
}

/** Work items enough for so many elements. */
function grid(items: number): Grid {
  return { groups: Math.ceil(items / simpleGroup), groupSize: simpleGroup };
}

/** The rows of a round that are opened, themselves or as what the next round was made of. */
function neededIn(round: number, places: readonly Place[]): Place[] {
  return places
    .filter((place) => place.round === round || place.round === round + 1)
    .map(({ row }) => ({ round, row }));
}

function keyOf({ round, row }: Place): string {
  return `${round}/${row}`;
}
