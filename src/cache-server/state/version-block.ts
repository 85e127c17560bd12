// Versions reserved ahead on disk, so that they never go back, whatever of the state file a power loss takes.
import { closeSync, constants, fdatasync, fdatasyncSync, openSync, readFileSync, write, writeSync } from 'node:fs';
import { join } from 'node:path';
import { seal, unseal } from './line.ts';

/** How many versions are reserved at a time. */
const blockSize = 1_000_000;
/** The file always has this length and is written in place: that works on a full disk too. */
const fileBytes = 64;

/** What the file says. */
export interface Reservation {
  /** No version above this one has been handed out. */
  readonly reserved: number;
  /** Set while the state file misses changes that were served from memory. */
  readonly lossy: boolean;
}

/** What an earlier daemon reserved; `undefined` where there is no such file, `'damaged'` where it cannot be read. */
export function readReservation(folder: string): Reservation | undefined | 'damaged' {
  try {
    const [line = ''] = readFileSync(join(folder, 'versions'), 'utf8').split('\n');
    return unseal<Reservation>(line) ?? 'damaged';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? undefined : 'damaged';
  }
}

/** The file `versions` in the data folder. */
export class VersionBlock {
  readonly #file: number;
  readonly #onResult: (error: Error | undefined) => void;
  #wanted: Reservation;
  #written: Reservation;
  #writing = false;
  #closed = false;

  /**
   * Opens the file and reserves the first block, on disk before it returns; lossy, for the state file is still to come.
   *
   * @param onResult told how each later write ended; one that failed is tried again with the next version
   * @throws a system error when the file cannot be written
   */
  constructor(folder: string, version: number, onResult: (error: Error | undefined) => void) {
    this.#onResult = onResult;
    this.#wanted = { reserved: version + blockSize, lossy: true };
    this.#written = this.#wanted;
    this.#file = openSync(join(folder, 'versions'), constants.O_RDWR | constants.O_CREAT, 0o644);
    try {
      this.#writeNow();
      fdatasyncSync(this.#file);
    } catch (error) {
      closeSync(this.#file);
      throw error;
    }
  }

  /** Notes that the state file stands, before anybody is served; it is synced with the next block, or never. */
  begin(): void {
    this.#wanted = { ...this.#wanted, lossy: false };
    this.#writeNow();
    this.#written = this.#wanted;
  }

  /** Called with every version that is handed out: reserves the next block in time, in the background. */
  used(version: number): void {
    if (version >= this.#wanted.reserved - blockSize / 2) {
      this.#wanted = { ...this.#wanted, reserved: version + blockSize };
    }
    this.#write();
  }

  /** Notes whether the state file misses changes. */
  setLossy(lossy: boolean): void {
    if (this.#wanted.lossy !== lossy) this.#wanted = { ...this.#wanted, lossy };
    this.#write();
  }

  /** Writes nothing more. */
  close(): void {
    this.#closed = true;
    if (!this.#writing) closeSync(this.#file);
  }

  #writeNow(): void {
    writeSync(this.#file, encode(this.#wanted), 0, fileBytes, 0);
  }

  #write(): void {
    if (this.#wanted === this.#written || this.#writing || this.#closed) return;
    this.#writing = true;
    const writing = this.#wanted;
    write(this.#file, encode(writing), 0, fileBytes, 0, (writeError) => {
      fdatasync(this.#file, (syncError) => {
        this.#writing = false;
        const error = writeError ?? syncError ?? undefined;
        if (!error) this.#written = writing;
        if (this.#closed) closeSync(this.#file);
        else {
          this.#onResult(error);
          if (!error) this.#write();
        }
      });
    });
  }
}

function encode(reservation: Reservation): Buffer {
  return Buffer.from(seal(reservation).padEnd(fileBytes, '\n'));
}
