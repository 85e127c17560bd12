// Reads messages of one segment, and remembers where the last read ended: the next one mostly begins there.
import { type FileHandle, open } from 'node:fs/promises';
import { messageOf } from '../../daemon/errors.ts';
import type { Message, ReadLimit } from './log.ts';
import { type Placed, recordsOf, type Segment } from './segment.ts';

/** Where the last read ended. */
interface Cursor {
  readonly segment: Segment;
  readonly sequence: bigint;
  readonly offset: number;
}

/** What was read. `fault`: why there is nothing though there should be. */
interface Read {
  readonly messages: readonly Message[];
  readonly fault: string | undefined;
}

/** The reader of one log. */
export class SegmentReader {
  #cursor: Cursor | undefined;

  /** Messages behind `after`, of which the segment has one at least; never throws. */
  async read(segment: Segment, after: bigint, limit: ReadLimit): Promise<Read> {
    const cursor = this.#cursor;
    const begin = cursor?.segment === segment && cursor.sequence === after ? cursor.offset : 0;
    let file: FileHandle | undefined;
    try {
      file = await open(segment.path, 'r');
      const messages = await this.#collect(file, segment, { begin, after, limit });
      return { messages, fault: messages.length > 0 ? undefined : 'its records are altered' };
    } catch (error) {
      return { messages: [], fault: messageOf(error) };
    } finally {
      await file?.close().catch(() => undefined);
    }
  }

  async #collect(
    file: FileHandle,
    segment: Segment,
    { begin, after, limit }: { readonly begin: number; readonly after: bigint; readonly limit: ReadLimit },
  ): Promise<Message[]> {
    const messages: Message[] = [];
    let bytes = 0;
    const records = recordsOf(file, begin, segment.bytes);
    for (let next = await records.next(); !next.done; next = await records.next()) {
      const { record, end }: Placed = next.value;
      if (record.kind !== 'message' || record.sequence <= after) continue;
      bytes += record.payload.length;
      if (messages.length > 0 && bytes > limit.bytes) break;
      messages.push({ sequence: record.sequence, payload: Buffer.from(record.payload) });
      this.#cursor = { segment, sequence: record.sequence, offset: end };
      if (messages.length >= limit.messages) break;
    }
    return messages;
  }
}
