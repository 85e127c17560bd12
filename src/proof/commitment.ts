// The commitment to all rows of all products: the root of a Merkle tree of SHA-256. A leaf is the hash of a row, as
// little-endian 32-bit integers; leaves stand in the order of rounds and rows. A node is the hash of the 16 hashes below
// it, with zeros where there are fewer: for so much costs a call of the hash function that a tree of twos would take a
// node's processor as long as the work takes its GPU.
//
// Neither leaves nor nodes are marked as such: how many levels lie between a row and the root follows from the challenge.
import { hash } from 'node:crypto';
import { type Challenge, digestSize, type Place } from './challenge.ts';

/** Hashes below a node. */
export const arity = 16;
const groupBytes = arity * digestSize;

/** The tree above the hashes of all rows, by definition; devices make it by a kernel. */
export class Commitment {
  /** Each as long as whole groups are; the root apart. */
  readonly #levels: readonly Buffer[];
  readonly #size: number;
  readonly root: Buffer;

  /** @param leaves the hashes of all rows, one after the other, in the order of rounds and rows */
  constructor({ size, rounds }: Pick<Challenge, 'size' | 'rounds'>, leaves: Uint8Array) {
    if (leaves.length !== size * rounds * digestSize) {
      throw new RangeError(`leaves: ${leaves.length} bytes; ${size * rounds * digestSize} are allowed`);
    }
    const levels: Buffer[] = [];
    let level = leaves;
    while (level.length > digestSize) {
      const padded = inGroups(level);
      levels.push(padded);
      level = above(padded);
    }
    this.#levels = levels;
    this.#size = size;
    this.root = Buffer.from(level);
  }

  /** The hashes beside the way from a row to the root, the lowest first: of each level the 15 others, in their order. */
  path(place: Place): Buffer[] {
    let index = leafOf(place, this.#size);
    return this.#levels.flatMap((level) => {
      const own = index % arity;
      const first = index - own;
      index = first / arity;
      return Array.from({ length: arity }, (_, at) => nodeAt(level, first + at)).filter((_, at) => at !== own);
    });
  }
}

/** The hash of a row. */
export function hashOfRow(row: Int32Array): Buffer {
  return hash('sha256', bytesOf(row), 'buffer');
}

/** Whether a row is the one that was committed to at this place. */
export function isCommitted(
  challenge: Pick<Challenge, 'size' | 'rounds'>,
  root: Uint8Array,
  place: Place,
  row: Int32Array,
  path: readonly Uint8Array[],
): boolean {
  if (path.length !== pathLengthOf(challenge)) return false;
  let index = leafOf(place, challenge.size);
  let below = hashOfRow(row);
  const group = Buffer.allocUnsafe(groupBytes);
  for (let next = 0; next < path.length; ) {
    const own = index % arity;
    for (let at = 0; at < arity; at++) group.set(at === own ? below : (path[next++] as Uint8Array), at * digestSize);
    below = hash('sha256', group, 'buffer');
    index = (index - own) / arity;
  }
  return below.equals(root);
}

/** How many hashes each level of the tree has: the lowest, of the rows, first, and the root alone last. */
export function levelsOf({ size, rounds }: Pick<Challenge, 'size' | 'rounds'>): number[] {
  const levels = [size * rounds];
  for (let count = size * rounds; count > 1; ) {
    count = Math.ceil(count / arity);
    levels.push(count);
  }
  return levels;
}

/** Hashes beside the way from a row to the root. */
export function pathLengthOf(challenge: Pick<Challenge, 'size' | 'rounds'>): number {
  return (levelsOf(challenge).length - 1) * (arity - 1);
}

function leafOf({ round, row }: Place, size: number): number {
  return round * size + row;
}

function inGroups(level: Uint8Array): Buffer {
  const padded = Buffer.alloc(Math.ceil(level.length / groupBytes) * groupBytes);
  padded.set(level);
  return padded;
}

function above(level: Buffer): Buffer {
  const nodes = Buffer.allocUnsafe(level.length / arity);
  for (let at = 0; at < nodes.length; at += digestSize) {
    nodes.set(hash('sha256', level.subarray(at * arity, at * arity + groupBytes), 'buffer'), at);
  }
  return nodes;
}

function nodeAt(level: Buffer, index: number): Buffer {
  return level.subarray(index * digestSize, (index + 1) * digestSize);
}

/** Little-endian: that of every machine that Node.js runs GPUs on. */
function bytesOf({ buffer, byteOffset, byteLength }: Int32Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
