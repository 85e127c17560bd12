// One file of a log: read piece by piece, checked, cut where it is torn, set aside where it is damaged.
import { readdirSync, renameSync, rmSync, truncateSync } from 'node:fs';
import { copyFile, type FileHandle, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parseRecord, type SpoolRecord } from './record.ts';

const pieceBytes = 64 * 1024;
/** How many damaged files of a log are kept for whoever wants to look. */
const keptDamagedFiles = 3;

/** One file. Its name is the sequence of its first message. */
export interface Segment {
  readonly path: string;
  /** The first message's sequence; one more than the last where it has none. */
  first: bigint;
  /** The last message's sequence; one less than the first where it has none. */
  last: bigint;
  /** How many bytes of it are good. */
  bytes: number;
}

/** What the files of a folder are called, oldest first. */
export function segmentPaths(folder: string): string[] {
  const names = readdirSync(folder).filter((name) => /^\d{20}\.log$/.test(name));
  return names.sort().map((name) => join(folder, name));
}

/** The path of a segment that begins with a message. */
export function segmentPath(folder: string, first: bigint): string {
  return join(folder, `${first.toString().padStart(20, '0')}.log`);
}

/** A record and where it ends. */
export interface Placed {
  readonly record: SpoolRecord;
  readonly end: number;
}

/** How reading a file ended: at its end, in a record that is cut off, or at one that is altered. */
export type Ending = 'end' | 'torn' | 'damage';

/** Reads a file from a place on, in pieces; returns how it ended. Payloads are valid until the next step. */
export async function* recordsOf(
  file: FileHandle,
  offset: number,
  limit = Number.POSITIVE_INFINITY,
): AsyncGenerator<Placed, Ending> {
  let at = offset;
  let size = pieceBytes;
  for (;;) {
    const buffer = Buffer.allocUnsafe(Math.max(0, Math.min(size, limit - at)));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) return 'end';
    const piece = buffer.subarray(0, bytesRead);
    let within = 0;
    for (;;) {
      const parsed = parseRecord(piece, within);
      if (parsed.found === 'damage') return 'damage';
      if (parsed.found === 'incomplete') {
        const over = bytesRead < buffer.length || at + bytesRead >= limit;
        if (over && within < bytesRead) return 'torn';
        size = Math.max(pieceBytes, parsed.needed);
        break;
      }
      yield { record: parsed.record, end: at + parsed.end };
      within = parsed.end;
    }
    at += within;
  }
}

/** What a file says. */
export interface Scanned {
  readonly segment: Segment;
  readonly ending: Ending;
  /** The last `trimmed` record, if there is one. */
  readonly trimmed: SpoolRecord | undefined;
}

/** Reads a whole file for what its log has to know of it. */
export async function scanSegment(path: string): Promise<Scanned> {
  const first = BigInt(path.slice(-24, -4));
  const segment: Segment = { path, first, last: first - 1n, bytes: 0 };
  let trimmed: SpoolRecord | undefined;
  const file = await open(path, 'r');
  try {
    const records = recordsOf(file, 0);
    for (;;) {
      const { done, value } = await records.next();
      if (done) return { segment, ending: value, trimmed };
      const { record, end } = value;
      if (record.kind === 'trimmed') trimmed = { ...record, payload: Buffer.from(record.payload) };
      else if (record.sequence > segment.last) segment.last = record.sequence;
      else return { segment, ending: 'damage', trimmed };
      segment.bytes = end;
    }
  } finally {
    await file.close();
  }
}

/** Cuts a file behind its last whole record; the bytes of a damaged one are kept under another name. */
export async function cutSegment({ path, bytes }: Segment, ending: Ending): Promise<void> {
  if (ending === 'damage') {
    await copyFile(path, `${path}.damaged.new`);
    renameSync(`${path}.damaged.new`, `${path}.damaged`);
    const old = readdirSync(dirname(path)).filter((name) => name.endsWith('.damaged'));
    for (const name of old.sort().slice(0, -keptDamagedFiles)) rmSync(join(dirname(path), name));
  }
  truncateSync(path, bytes);
}
