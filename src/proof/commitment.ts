// The commitment to all rows of all products: the root of a Merkle tree of SHA-256. A leaf is the hash of a row, as
// little-endian 32-bit integers; leaves stand in the order of rounds and rows, and zeros fill the tree up.
//
// Neither leaves nor nodes are marked as such: every row is at least 512 bytes long and a node hashes 64, and the
// depth of the tree follows from the challenge.
import { createHash } from 'node:crypto';
import { type Challenge, digestSize, type Place } from './challenge.ts';

/** The tree above the hashes of all rows. */
export class Commitment {
  readonly #levels: readonly Buffer[];
  readonly #size: number;

  /** @param leaves the hashes of all rows, one after the other, in the order of rounds and rows */
  constructor({ size, rounds }: Challenge, leaves: Uint8Array) {
    if (leaves.length !== size * rounds * digestSize) {
      throw new RangeError(`leaves: ${leaves.length} bytes; ${size * rounds * digestSize} are allowed`);
    }
    const lowest: Buffer = Buffer.alloc(2 ** depthOf({ size, rounds }) * digestSize);
    lowest.set(leaves);
    const levels: Buffer[] = [lowest];
    for (let level: Buffer = lowest; level.length > digestSize; ) {
      level = above(level);
      levels.push(level);
    }
    this.#levels = levels;
    this.#size = size;
  }

  get root(): Buffer {
    return this.#levels.at(-1) as Buffer;
  }

  /** The hashes beside the way from a row to the root, the lowest first. */
  path(place: Place): Buffer[] {
    let index = leafOf(place, this.#size);
    return this.#levels.slice(0, -1).map((level) => {
      const beside = nodeAt(level, index ^ 1);
      index >>>= 1;
      return beside;
    });
  }
}

/** The hash of a row. */
export function hashOfRow(row: Int32Array): Buffer {
  return createHash('sha256').update(bytesOf(row)).digest();
}

/** Whether a row is the one that was committed to at this place. */
export function isCommitted(
  challenge: Pick<Challenge, 'size' | 'rounds'>,
  root: Uint8Array,
  place: Place,
  row: Int32Array,
  path: readonly Uint8Array[],
): boolean {
  if (path.length !== depthOf(challenge)) return false;
  let index = leafOf(place, challenge.size);
  let hash = hashOfRow(row);
  for (const beside of path) {
    hash = index % 2 === 0 ? join(hash, beside) : join(beside, hash);
    index >>>= 1;
  }
  return hash.equals(root);
}

/** Levels of the tree below the root. */
export function depthOf({ size, rounds }: Pick<Challenge, 'size' | 'rounds'>): number {
  return Math.ceil(Math.log2(size * rounds));
}

function leafOf({ round, row }: Place, size: number): number {
  return round * size + row;
}

function above(level: Buffer): Buffer {
  const nodes = Buffer.alloc(level.length / 2);
  for (let index = 0; index * 2 * digestSize < level.length; index++) {
    nodes.set(join(nodeAt(level, 2 * index), nodeAt(level, 2 * index + 1)), index * digestSize);
  }
  return nodes;
}

function nodeAt(level: Buffer, index: number): Buffer {
  return level.subarray(index * digestSize, (index + 1) * digestSize);
}

function join(left: Uint8Array, right: Uint8Array): Buffer {
  return createHash('sha256').update(left).update(right).digest();
}

/** Little-endian: that of every machine that Node.js runs GPUs on. */
function bytesOf({ buffer, byteOffset, byteLength }: Int32Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
