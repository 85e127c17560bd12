// Reads opened rows out of a `ProofOpenings`, one after the other into the same memory: decoded as a whole, a page makes
// megabytes of arrays, and collecting them took a fifth of the verifier's time.
//
// What is read of an opening is gone with the next one.
import { BinaryReader } from '@bufbuild/protobuf/wire';
import { type Challenge, digestSize } from '../../proof/challenge.ts';
import { pathLengthOf } from '../../proof/commitment.ts';
import type { OpenedRow, Opening } from '../../proof/verify.ts';

/** Tags of proof.proto: the field's number × 8 + 2, for all of them have a length. */
const tags = { opening: 10, product: 10, before: 18, row: 10, path: 18 };

/** Memory for a row and its way, as the verdict wants it. */
interface Room {
  readonly rowBytes: Uint8Array;
  readonly pathBytes: Uint8Array;
  readonly opened: OpenedRow;
}

export class OpeningReader {
  readonly #product: Room;
  readonly #before: Room;

  constructor(challenge: Pick<Challenge, 'size' | 'rounds'>) {
    this.#product = roomFor(challenge);
    this.#before = roomFor(challenge);
  }

  /** The openings, in their order. @throws Error for what is no `ProofOpenings`, or has rows or ways of wrong lengths */
  *read(openings: Uint8Array): Generator<Opening> {
    const reader = new BinaryReader(openings);
    while (reader.pos < reader.len) {
      if (isField(reader, tags.opening)) yield this.#opening(reader);
    }
  }

  #opening(reader: BinaryReader): Opening {
    let product: OpenedRow | undefined;
    let before: OpenedRow | undefined;
    for (const end = endOf(reader); reader.pos < end; ) {
      const tag = reader.uint32();
      if (tag === tags.product) product = readRow(reader, this.#product);
      else if (tag === tags.before) before = readRow(reader, this.#before);
      else reader.skip(tag & 7);
    }
    if (!product) throw new RangeError('an opening without a row');
    return { product, before };
  }
}

function readRow(reader: BinaryReader, { rowBytes, pathBytes, opened }: Room): OpenedRow {
  // Nothing may be left of the row before.
  let row = false;
  let path = false;
  for (const end = endOf(reader); reader.pos < end; ) {
    const tag = reader.uint32();
    if (tag === tags.row) row = take(reader.bytes(), rowBytes);
    else if (tag === tags.path) path = take(reader.bytes(), pathBytes);
    else reader.skip(tag & 7);
  }
  if (!row || !path) throw new RangeError('a row, or its way to the root, is missing or of a wrong length');
  return opened;
}

/** False where it is not as long as it must be. */
function take(bytes: Uint8Array, into: Uint8Array): boolean {
  if (bytes.length !== into.length) return false;
  into.set(bytes);
  return true;
}

/** Whether it stands before this field; others are left out. */
function isField(reader: BinaryReader, field: number): boolean {
  const tag = reader.uint32();
  if (tag !== field) reader.skip(tag & 7);
  return tag === field;
}

function endOf(reader: BinaryReader): number {
  const length = reader.uint32();
  const end = reader.pos + length;
  if (end > reader.len) throw new RangeError('a message ends too soon');
  return end;
}

function roomFor(challenge: Pick<Challenge, 'size' | 'rounds'>): Room {
  const row = new Int32Array(challenge.size);
  const hashes = pathLengthOf(challenge);
  const pathBytes = new Uint8Array(hashes * digestSize);
  const path = Array.from({ length: hashes }, (_, at) => pathBytes.subarray(at * digestSize, (at + 1) * digestSize));
  return { rowBytes: new Uint8Array(row.buffer), pathBytes, opened: { row, path } };
}
