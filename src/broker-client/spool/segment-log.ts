// A log on disk: segments that are only appended to, and what still waits to be written.
//
//   writing    what is appended is written in the background; only what is written may be sent, so that no message
//              that the broker has can be forgotten by a crash of this process       -- a write fails, or hangs -> trouble
//   trouble    messages wait in memory, within a bound, and may be sent from there   -- all is written -> writing
//              the write is tried again with back-off
//
// Nothing is synced but a segment that is full: a killed process loses nothing that way. For a power loss see spool.ts.
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../daemon/errors.ts';
import type { Message, MessageLog, ReadLimit } from './log.ts';
import { withinBytes } from './memory-log.ts';
import { encodeRecord } from './record.ts';
import { cutSegment, type Segment, scanSegment, segmentPath, segmentPaths } from './segment.ts';
import { SegmentReader } from './segment-reader.ts';

const firstRetryMs = 500;
const longestRetryMs = 30_000;
/** How long a write may take before its messages are sent from memory. */
const writeDeadlineMs = 2_000;
/** How long closing waits for the disk. */
const closeDeadlineMs = 1_000;
const batchBytes = 256 * 1024;

/** What a {@link SegmentLog} needs. */
export interface SegmentLogOptions {
  readonly folder: string;
  /** A segment that has grown beyond is closed. */
  readonly segmentBytes: number;
  /** Of all segments together; the oldest are dropped first. */
  readonly mostBytes: number;
  /** Of what waits to be written; the oldest are dropped first. */
  readonly mostWaitingBytes: number;
  /** Told when more may be sent. */
  readonly sendable: () => void;
  /** Told that the disk refuses to work; undefined: it works again. */
  readonly trouble: (reason: string | undefined) => void;
  /** Told of a segment that was damaged. */
  readonly damaged: (message: string) => void;
}

interface Waiting {
  readonly message: Message;
  readonly bytes: Buffer;
}

/** The segments of one folder. */
export class SegmentLog implements MessageLog {
  last = 0n;
  dropped = 0;
  /** Whether something was found that was not as it had been written. */
  foundDamage = false;
  readonly #options: SegmentLogOptions;
  /** Oldest first; the newest is never removed, for it tells the last sequence. */
  #segments: Segment[] = [];
  #file: FileHandle | undefined;
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  /** How many of those, from the first on, are being written. */
  #inWriting = 0;
  #written = 0n;
  #trimmed = 0n;
  /** A new `trimmed` record is to be written. */
  #noteTrim = false;
  #running: Promise<void> | undefined;
  #inTrouble = false;
  #opened = false;
  #retryMs = firstRetryMs;
  readonly #closing = new AbortController();
  readonly #reader = new SegmentReader();
  /** Segments that cannot be read: nothing more is appended to them. */
  readonly #unusable = new WeakSet<Segment>();

  private constructor(options: SegmentLogOptions) {
    this.#options = options;
  }

  /** Reads what is there. Never throws: without a usable disk, messages wait in memory. */
  static async open(options: SegmentLogOptions): Promise<SegmentLog> {
    const log = new SegmentLog(options);
    try {
      await log.#restore();
      log.#opened = true;
    } catch (error) {
      log.#segments = [];
      log.foundDamage = true;
      log.#startTrouble(messageOf(error));
    }
    return log;
  }

  get sendable(): bigint {
    return this.#inTrouble ? this.last : this.#written;
  }

  get first(): bigint {
    const oldest = this.#segments.find(({ first, last }) => last >= first && last > this.#trimmed)?.first;
    const kept = oldest ?? this.#waiting[0]?.message.sequence ?? this.last + 1n;
    return kept > this.#trimmed ? kept : this.#trimmed + 1n;
  }

  get bytes(): number {
    return this.#segments.reduce((sum, { bytes }) => sum + bytes, this.#waitingBytes);
  }

  append(payload: Buffer): bigint {
    const sequence = this.last + 1n;
    const bytes = encodeRecord({ kind: 'message', sequence, payload });
    this.last = sequence;
    this.#waiting.push({ message: { sequence, payload }, bytes });
    this.#waitingBytes += bytes.length;
    while (this.#waitingBytes > this.#options.mostWaitingBytes && this.#waiting.length > this.#inWriting + 1) {
      const [oldest] = this.#waiting.splice(this.#inWriting, 1);
      this.#waitingBytes -= oldest?.bytes.length ?? 0;
      this.#countDropped(1);
    }
    this.#run();
    if (this.#inTrouble) this.#options.sendable();
    return sequence;
  }

  async read(after: bigint, limit: ReadLimit): Promise<readonly Message[]> {
    for (;;) {
      const segment = this.#segments.find(({ first, last }) => last > after && last >= first);
      if (!segment) break;
      const { messages, fault } = await this.#reader.read(segment, after, limit);
      if (messages.length > 0) return messages;
      // One that was removed meanwhile is no fault. What is behind it is next.
      if (fault !== undefined && this.#segments.includes(segment)) this.#unreadable(segment, fault);
    }
    const sendable = this.sendable;
    const waiting = this.#waiting.filter(({ message: { sequence } }) => sequence > after && sequence <= sendable);
    return withinBytes(
      waiting.slice(0, limit.messages).map(({ message }) => message),
      limit.bytes,
    );
  }

  trim(through: bigint): void {
    if (through <= this.#trimmed) return;
    this.#trimmed = through < this.last ? through : this.last;
    for (const segment of this.#segments.slice(0, -1)) if (segment.last <= this.#trimmed) this.#remove(segment);
    if (this.#inTrouble) this.#forgetWaiting();
    this.#noteTrim = true;
    this.#run();
  }

  clear(): void {
    const first = this.first;
    if (this.last >= first) this.#countDropped(Number(this.last - first + 1n));
    this.trim(this.last);
    this.#forgetWaiting();
  }

  async close(): Promise<void> {
    const stopped = this.#running ?? Promise.resolve();
    const late = sleep(closeDeadlineMs, undefined, { signal: this.#closing.signal, ref: false });
    if (this.#inTrouble) this.#closing.abort();
    await Promise.race([stopped, late.catch(() => undefined)]);
    this.#closing.abort();
    if (this.#inWriting === 0) await this.#file?.close().catch(() => undefined);
  }

  /** What is trimmed and waits nevertheless need not be written. */
  #forgetWaiting(): void {
    const writing = this.#waiting.slice(0, this.#inWriting);
    const rest = this.#waiting.slice(this.#inWriting).filter(({ message }) => message.sequence > this.#trimmed);
    this.#waiting = [...writing, ...rest];
    this.#waitingBytes = this.#waiting.reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  async #restore(): Promise<void> {
    mkdirSync(this.#options.folder, { recursive: true, mode: 0o700 });
    for (const path of segmentPaths(this.#options.folder)) {
      const { segment, ending, trimmed } = await scanSegment(path);
      if (ending !== 'end') await this.#cut(segment, ending);
      if (trimmed) {
        this.#trimmed = trimmed.sequence;
        this.dropped = Number(trimmed.payload.readBigUInt64LE(0));
      }
      this.#segments.push(segment);
      this.last = segment.last;
    }
    this.#written = this.last;
    for (const segment of this.#segments.slice(0, -1)) if (segment.last <= this.#trimmed) this.#remove(segment);
  }

  async #cut(segment: Segment, ending: 'torn' | 'damage'): Promise<void> {
    await cutSegment(segment, ending);
    if (ending === 'torn') return;
    this.foundDamage = true;
    this.#options.damaged(`${segment.path} is damaged behind byte ${segment.bytes}; a copy is kept beside it`);
  }

  /** Begins to write what waits, unless that is going on. */
  #run(): void {
    if (this.#running || this.#closing.signal.aborted) return;
    this.#running = this.#writeAll().finally(() => {
      this.#running = undefined;
      if (!this.#closing.signal.aborted && (this.#waiting.length > 0 || this.#noteTrim)) this.#run();
    });
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0 || this.#noteTrim) {
      const hung = setTimeout(
        () => this.#startTrouble(`a write takes longer than ${writeDeadlineMs} ms`),
        writeDeadlineMs,
      );
      hung.unref();
      try {
        await this.#writeSome();
        this.#endTrouble();
      } catch (error) {
        this.#startTrouble(messageOf(error));
        await this.#file?.close().catch(() => undefined);
        this.#file = undefined;
        const delay = this.#retryMs;
        this.#retryMs = Math.min(2 * delay, longestRetryMs);
        await sleep(delay, undefined, { ref: false, signal: this.#closing.signal }).catch(() => undefined);
      } finally {
        clearTimeout(hung);
        this.#inWriting = 0;
      }
      if (this.#closing.signal.aborted) return;
    }
  }

  /** Writes what waits, up to a bound, in one piece. */
  async #writeSome(): Promise<void> {
    let bytes = 0;
    const end = this.#waiting.findIndex((one) => {
      bytes += one.bytes.length;
      return bytes > batchBytes;
    });
    const batch = this.#waiting.slice(0, end === -1 ? undefined : end + 1);
    this.#inWriting = batch.length;
    const pieces = batch.map((one) => one.bytes);
    const segment = await this.#openSegment(batch[0]?.message.sequence ?? this.#written + 1n);
    const noteTrim = this.#noteTrim;
    this.#noteTrim = false;
    if (noteTrim) pieces.push(this.#trimRecord());
    await this.#writeTo(segment, Buffer.concat(pieces)).catch((error: unknown) => {
      this.#noteTrim ||= noteTrim;
      throw error;
    });
    const last = batch.at(-1)?.message.sequence;
    if (last !== undefined) {
      segment.last = last;
      this.#written = last;
    }
    this.#waiting.splice(0, batch.length);
    this.#waitingBytes -= batch.reduce((sum, one) => sum + one.bytes.length, 0);
    this.#bound();
    if (segment.bytes > this.#options.segmentBytes) await this.#closeSegment();
    if (batch.length > 0) this.#options.sendable();
  }

  #trimRecord(): Buffer {
    const payload = Buffer.alloc(8);
    payload.writeBigUInt64LE(BigInt(this.dropped));
    return encodeRecord({ kind: 'trimmed', sequence: this.#trimmed, payload });
  }

  /** The segment to append to; behind what a failed write may have left in it, that is cut off. */
  async #openSegment(first: bigint): Promise<Segment> {
    const newest = this.#segments.at(-1);
    const usable = newest !== undefined && newest.bytes <= this.#options.segmentBytes && !this.#unusable.has(newest);
    if (usable && this.#file) return newest;
    if (this.#file) await this.#closeSegment();
    this.#prepareFolder();
    if (usable && existsSync(newest.path)) {
      this.#file = await open(newest.path, 'r+');
      await this.#file.truncate(newest.bytes);
      return newest;
    }
    const segment: Segment = { path: segmentPath(this.#options.folder, first), first, last: first - 1n, bytes: 0 };
    this.#file = await open(segment.path, 'w', 0o600);
    this.#segments.push(segment);
    return segment;
  }

  /** After a start without a usable folder: what it holds belongs to a spool that was given up. */
  #prepareFolder(): void {
    if (this.#opened) return;
    mkdirSync(this.#options.folder, { recursive: true, mode: 0o700 });
    for (const path of segmentPaths(this.#options.folder)) rmSync(path);
    this.#opened = true;
  }

  async #writeTo(segment: Segment, bytes: Buffer): Promise<void> {
    const file = this.#file;
    const { bytesWritten } = (await file?.write(bytes, 0, bytes.length, segment.bytes)) ?? { bytesWritten: 0 };
    if (bytesWritten < bytes.length) throw new Error('ENOSPC: the disk is full');
    segment.bytes += bytes.length;
  }

  async #closeSegment(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.sync().catch(() => undefined);
    await file?.close().catch(() => undefined);
  }

  #bound(): void {
    let bytes = this.#segments.reduce((sum, segment) => sum + segment.bytes, 0);
    for (const segment of this.#segments.slice(0, -1)) {
      if (bytes <= this.#options.mostBytes) return;
      bytes -= segment.bytes;
      this.#drop(segment);
    }
  }

  /** Removes a segment with messages that were not sent. */
  #drop(segment: Segment): void {
    const from = segment.first > this.#trimmed ? segment.first : this.#trimmed + 1n;
    if (segment.last >= from) this.#countDropped(Number(segment.last - from + 1n));
    this.#remove(segment);
  }

  #countDropped(messages: number): void {
    this.dropped += messages;
    this.#noteTrim = true;
  }

  #remove(segment: Segment): void {
    if (segment === this.#segments.at(-1) && this.#opened) {
      // Never the file itself: what is next would otherwise begin anew.
      this.#unusable.add(segment);
      segment.first = segment.last + 1n;
      return;
    }
    this.#segments = this.#segments.filter((one) => one !== segment);
    unlink(segment.path).catch(() => undefined);
  }

  #unreadable(segment: Segment, reason: string): void {
    this.foundDamage = true;
    this.#options.damaged(`${segment.path} cannot be read: ${reason}`);
    this.#drop(segment);
  }

  #startTrouble(reason: string): void {
    this.#inTrouble = true;
    this.#options.trouble(reason);
    if (this.last > this.#written) this.#options.sendable();
  }

  #endTrouble(): void {
    this.#retryMs = firstRetryMs;
    if (!this.#inTrouble || this.#waiting.length > 0) return;
    this.#inTrouble = false;
    this.#options.trouble(undefined);
  }
}
