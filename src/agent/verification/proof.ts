// The node's side of a proof of GPU: does the work of a challenge on a device, commits to it, and opens rows of it.
//
// The device keeps one product at a time, for all of them would not fit: the rows that are opened are computed once
// more, from the seeds on, each from its own row alone. The tree over all rows is made on the device too, where it
// stays: for 2 million rows it would cost a processor a quarter of a second, within the time that counts.
import {
  type Challenge,
  checkChallenge,
  checkPlaces,
  checkWork,
  digestSize,
  type Place,
} from '../../proof/challenge.ts';
import { arity, levelsOf } from '../../proof/commitment.ts';
import { keyOfA, keyOfB } from '../../proof/generator.ts';
import type { OpenedRow, Opening } from '../../proof/verify.ts';
import { type ComputeDevice, ComputeError, type DeviceMemory, type Grid } from './compute.ts';

/** The kernels in each of the languages that devices take. */
export const proofProgram = 'proof';

/** What is known of a challenge before its clock starts. */
export type Work = Pick<Challenge, 'size' | 'rounds' | 'epochSeed'>;
/** What comes when it starts. */
export type Start = Pick<Challenge, 'id' | 'gpu' | 'seed'>;

/** Rows and columns of the tiles that the product's kernel works in, and its work items. */
const tiles = { cuda: { size: 128, items: 256 }, opencl: { size: 32, items: 64 } };
const simpleGroup = 64;

/** A device made ready for the challenges of one size and epoch. */
export class Prover {
  readonly #device: ComputeDevice;
  readonly #work: Work;
  readonly #memory: DeviceMemory[] = [];
  readonly #a: DeviceMemory;
  readonly #b: DeviceMemory;
  readonly #product: DeviceMemory;
  /** The hashes of all rows; behind them, level by level, those above, up to the root. */
  readonly #tree: DeviceMemory;
  readonly #levels: readonly Level[];
  #challenge: Challenge | undefined;

  /**
   * Takes the memory, makes the matrix of the epoch, and does up to two rounds for nothing: what a first launch costs,
   * and the first touch of memory, is no part of the work.
   *
   * @throws ComputeError
   */
  constructor(device: ComputeDevice, work: Work) {
    const { size, rounds, epochSeed } = work;
    const trial: Challenge = { ...work, id: 'trial', gpu: 'any', seed: new Uint8Array(digestSize) };
    checkWork(work);
    this.#device = device;
    this.#work = work;
    this.#levels = levelsAbove(work);
    const elements = size * size;
    const hashes = this.#levels.reduce((sum, { count }) => sum + count, 0);
    const sizes = [elements, elements, elements * 4, hashes * digestSize] as const;
    requireRoom(device, sizes);
    try {
      [this.#a, this.#b, this.#product, this.#tree] = sizes.map((bytes) => this.#allocate(bytes)) as Four<DeviceMemory>;
      this.#launch('proof_fill_b', grid(elements / 16), [...keyOfB({ epochSeed }), size, this.#b]);
      this.#commit({ ...trial, rounds: Math.min(2, rounds) });
    } catch (error) {
      this.free();
      throw error;
    }
  }

  /** Does the work and commits to it; returns the root. */
  prove(start: Start): Buffer {
    const challenge = { ...this.#work, ...start };
    checkChallenge(challenge);
    this.#challenge = challenge;
    return this.#commit(challenge);
  }

  /**
   * The rows at these places of what was proven last: computes all rounds once more.
   *
   * @throws RangeError for places that there are not, ComputeError where nothing was proven
   */
  open(places: readonly Place[]): Opening[] {
    const challenge = this.#challenge;
    if (!challenge) throw new ComputeError('failed', 'nothing was proven yet');
    checkPlaces(challenge, places);
    const rows = new Map<string, OpenedRow>();
    const last = places.reduce((greatest, { round }) => Math.max(greatest, round), 0);
    for (let round = 0; round <= last; round++) {
      this.#round(challenge, round);
      for (const place of neededIn(round, places)) rows.set(keyOf(place), this.#opened(place));
    }
    return places.map(({ round, row }) => ({
      product: rows.get(keyOf({ round, row })) as OpenedRow,
      before: rows.get(keyOf({ round: round - 1, row })),
    }));
  }

  free(): void {
    for (const memory of this.#memory) memory.free();
  }

  #allocate(bytes: number): DeviceMemory {
    const memory = this.#device.allocate(bytes);
    this.#memory.push(memory);
    return memory;
  }

  #commit(challenge: Challenge): Buffer {
    const { size, rounds } = challenge;
    for (let round = 0; round < rounds; round++) {
      this.#round(challenge, round);
      this.#launch('proof_hash', grid(size), [size, size, this.#product, round * size, this.#tree]);
    }
    for (const { from, count } of this.#levels.slice(0, -1)) {
      this.#launch('proof_join', grid(count / arity), [from, count, from + count, this.#tree]);
    }
    return this.#hash(this.#levels.at(-1)?.from ?? 0);
  }

  #round(challenge: Challenge, round: number): void {
    const { size } = challenge;
    const key = keyOfA(challenge, round);
    const words = size ** 2 / 4;
    if (round === 0) this.#launch('proof_fill_a', grid(words), [...key, words, this.#a]);
    else this.#launch('proof_next', grid(words), [...key, words, this.#product, this.#a]);
    const tile = tiles[this.#device.info.backend];
    const product = { groups: (size / tile.size) ** 2, groupSize: tile.items };
    this.#launch('proof_product', product, [size, this.#a, this.#b, this.#product]);
  }

  /** A row of the product that is there, with its way to the root. */
  #opened({ round, row }: Place): OpenedRow {
    const { size } = this.#work;
    const values = new Int32Array(size);
    this.#device.download(this.#product, new Uint8Array(values.buffer), row * values.byteLength);
    let index = round * size + row;
    const path = this.#levels.slice(0, -1).flatMap((level) => {
      const own = index % arity;
      const group = this.#group(level, index - own);
      index = (index - own) / arity;
      return group.filter((_, at) => at !== own);
    });
    return { row: values, path };
  }

  /** The hashes of a level that go into one node. */
  #group({ from, count }: Level, first: number): Buffer[] {
    const bytes = Buffer.alloc(arity * digestSize);
    const there = Math.min(arity, count - first);
    this.#device.download(this.#tree, bytes.subarray(0, there * digestSize), (from + first) * digestSize);
    return Array.from({ length: arity }, (_, at) => bytes.subarray(at * digestSize, (at + 1) * digestSize));
  }

  #hash(index: number): Buffer {
    const hash = Buffer.alloc(digestSize);
    this.#device.download(this.#tree, hash, index * digestSize);
    return hash;
  }

  #launch(kernel: string, size: Grid, values: readonly (DeviceMemory | number)[]): void {
    this.#device.launch(proofProgram, kernel, size, values);
  }
}

/** One level of the tree: where its hashes begin, and how many there are. */
interface Level {
  readonly from: number;
  readonly count: number;
}

type Four<Value> = [Value, Value, Value, Value];

/** The lowest first. */
function levelsAbove(work: Work): Level[] {
  let from = 0;
  return levelsOf(work).map((count) => {
    const level = { from, count };
    from += count;
    return level;
  });
}

/** What a driver would promise and not keep, or refuse in words of its own. */
function requireRoom({ info }: ComputeDevice, sizes: readonly number[]): void {
  const all = sizes.reduce((sum, bytes) => sum + bytes, 0);
  if (all <= info.memoryBytes && Math.max(...sizes) <= info.maxAllocationBytes) return;
  const has = `${info.memoryBytes} and allows ${info.maxAllocationBytes} at once`;
  throw new ComputeError('out-of-memory', `the work needs ${all} bytes; the device has ${has}`);
}

/** Work items enough for so many elements. */
function grid(items: number): Grid {
  return { groups: Math.ceil(items / simpleGroup), groupSize: simpleGroup };
}

/** The rows of a round that are opened, themselves or as what the next round was made of; each once. */
function neededIn(round: number, places: readonly Place[]): Place[] {
  const rows = places.filter((place) => place.round === round || place.round === round + 1).map(({ row }) => row);
  return [...new Set(rows)].map((row) => ({ round, row }));
}

function keyOf({ round, row }: Place): string {
  return `${round}/${row}`;
}
