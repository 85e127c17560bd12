// How a record of the spool lies in a file: its length and checksum, then what it is, its place and its bytes.
import { crc32 } from 'node:zlib';

/** Of length and checksum. */
const prefixBytes = 8;
/** Of kind and sequence, which the checksum covers with the payload. */
const headBytes = 9;
/** A longer one cannot be ours. */
export const longestPayload = 4 * 1024 * 1024;

/** `message` is something to send; `trimmed` says that everything up to its sequence need not be kept. */
export type RecordKind = 'message' | 'trimmed';

const kinds: readonly RecordKind[] = ['message', 'trimmed'];

/** One record. */
export interface SpoolRecord {
  readonly kind: RecordKind;
  readonly sequence: bigint;
  readonly payload: Buffer;
}

/** What stands at a place of a file. `needed`: how many bytes from that place on would show more. */
type Parsed =
  | { readonly found: 'record'; readonly record: SpoolRecord; readonly end: number }
  | { readonly found: 'incomplete'; readonly needed: number }
  | { readonly found: 'damage' };

/**
 * The bytes of a record.
 *
 * @throws Error when the payload is longer than {@link longestPayload}
 */
export function encodeRecord({ kind, sequence, payload }: SpoolRecord): Buffer {
  if (payload.length > longestPayload) throw new Error(`a record of ${payload.length} bytes is too long`);
  const bytes = Buffer.allocUnsafe(prefixBytes + headBytes + payload.length);
  bytes.writeUInt32LE(headBytes + payload.length, 0);
  bytes.writeUInt8(kinds.indexOf(kind), prefixBytes);
  bytes.writeBigUInt64LE(sequence, prefixBytes + 1);
  payload.copy(bytes, prefixBytes + headBytes);
  bytes.writeUInt32LE(crc32(bytes.subarray(prefixBytes)), 4);
  return bytes;
}

/** Reads the record that begins at `offset`; its payload shares memory with `bytes`. */
export function parseRecord(bytes: Buffer, offset: number): Parsed {
  if (bytes.length < offset + prefixBytes) return { found: 'incomplete', needed: prefixBytes };
  const length = bytes.readUInt32LE(offset);
  if (length < headBytes || length > headBytes + longestPayload) return { found: 'damage' };
  const end = offset + prefixBytes + length;
  if (bytes.length < end) return { found: 'incomplete', needed: prefixBytes + length };
  const covered = bytes.subarray(offset + prefixBytes, end);
  const kind = kinds[covered.readUInt8(0)];
  if (crc32(covered) !== bytes.readUInt32LE(offset + 4) || kind === undefined) return { found: 'damage' };
  return {
    found: 'record',
    record: { kind, sequence: covered.readBigUInt64LE(1), payload: covered.subarray(headBytes) },
    end,
  };
}
