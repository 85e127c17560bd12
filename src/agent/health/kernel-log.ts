// The kernel's log as a second witness of XIDs: it tells of them also where the driver's events do not come.
//
//   closed ──open──▶ skipping ──nothing more to read──▶ following ──read failed──▶ closed, for a while
//
// What was in the log before is skipped: it may have been repaired long ago. The log is read without ever waiting in it,
// in turns; each XID is held back for a moment, for the driver's own event says more (the MIG instance) and is to come
// first.
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { messageOf } from '../../daemon/errors.ts';
import { type KernelXid, Records, xidOfRecord } from './kernel-xids.ts';

/** From one turn to the next, in milliseconds. */
const TURN_MS = 1_000;
/** How long an XID is held back. */
const HELD_BACK_MS = 2_000;
/** After so long it is tried again to open a log that failed. */
const REOPEN_MS = 60_000;
/** Reads in one turn: the kernel hands out one record a read, and a storm of them must not take all of the time. */
const MAX_READS = 1_000;
/** XIDs that are held back; more in two seconds say nothing that these do not. */
const MAX_HELD = 256;
/** The kernel's records are shorter. */
const READ_BYTES = 16_384;

export interface KernelLogOptions {
  /** The log: `/dev/kmsg` below the host's root. */
  readonly path: string;
  readonly onXid: (xid: KernelXid) => void;
  /** Told why the log cannot be read; undefined once it can. Each once. */
  readonly onTrouble: (message: string | undefined) => void;
  /** Monotonic, in milliseconds. */
  readonly clock?: () => number;
}

/** Follows the kernel's log. */
export class KernelLog {
  readonly #options: KernelLogOptions;
  readonly #clock: () => number;
  readonly #buffer = Buffer.alloc(READ_BYTES);
  readonly #records = new Records();
  readonly #held: { readonly xid: KernelXid; readonly at: number }[] = [];
  #file: FileHandle | undefined;
  #skipping = true;
  #openAt = -Infinity;
  #trouble: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #turn: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: KernelLogOptions) {
    this.#options = options;
    this.#clock = options.clock ?? (() => performance.now());
  }

  /** Begins; once only. */
  start(): void {
    this.#turn = this.#take();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#turn;
    await this.#file?.close().catch(() => undefined);
  }

  async #take(): Promise<void> {
    try {
      await this.#open();
      await this.#read();
      this.#tell(undefined);
    } catch (error) {
      await this.#close(messageOf(error));
    }
    this.#release();
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#turn = this.#take();
    }, TURN_MS).unref();
  }

  async #open(): Promise<void> {
    if (this.#file || this.#clock() < this.#openAt) return;
    // Without waiting: neither for a record, nor for a writer where somebody has put a pipe.
    this.#file = await open(this.#options.path, constants.O_RDONLY | constants.O_NONBLOCK);
    this.#skipping = true;
    this.#records.reset();
  }

  /** Reads until there is no more. */
  async #read(): Promise<void> {
    for (let reads = 0; this.#file && reads < MAX_READS && !this.#stopped; reads += 1) {
      const bytes = await readWithoutWaiting(this.#file, this.#buffer);
      if (bytes === 0) {
        this.#skipping = false;
        return;
      }
      const records = this.#records.take(this.#buffer.toString('utf8', 0, bytes));
      if (!this.#skipping) for (const record of records) this.#hold(record);
    }
  }

  #hold(record: string): void {
    const xid = xidOfRecord(record);
    if (xid && this.#held.length < MAX_HELD) this.#held.push({ xid, at: this.#clock() });
  }

  #release(): void {
    const due = this.#clock() - HELD_BACK_MS;
    while (this.#held[0] && this.#held[0].at <= due) {
      const { xid } = this.#held.shift() ?? {};
      if (xid && !this.#stopped) this.#options.onXid(xid);
    }
  }

  async #close(trouble: string): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    this.#openAt = this.#clock() + REOPEN_MS;
    await file?.close().catch(() => undefined);
    this.#tell(trouble);
  }

  #tell(trouble: string | undefined): void {
    // A log that waits to be opened again is still in trouble.
    if (this.#trouble === trouble || (trouble === undefined && !this.#file)) return;
    this.#trouble = trouble;
    this.#options.onTrouble(trouble);
  }
}

/** How many bytes came; 0 where there are none now. */
async function readWithoutWaiting(file: FileHandle, buffer: Buffer): Promise<number> {
  for (;;) {
    try {
      return (await file.read(buffer, 0, buffer.length, null)).bytesRead;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EAGAIN') return 0;
      // Records were overwritten before they were read: the next read goes on with the oldest that is left.
      if (code !== 'EPIPE') throw error;
    }
  }
}
