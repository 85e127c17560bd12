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
  readonly #onError: (error: Error) => void;
  #wanted: Reservation;
  #writing = false;
  #closed = false;

  /**
   * Opens the file and reserves the first block, on disk before it returns.
   *
   * @param onError told when a later reservation fails; it is tried again with the next version
   * @throws a system error when the file cannot be written
   */
  constructor(folder: string, version: number, onError: (error: Error) => void) {
    this.#onError = onError;
    this.#wanted = { reserved: version + blockSize, lossy: false };
    this.#file = openSync(join(folder, 'versions'), constants.O_RDWR | constants.O_CREAT, 0o644);
    try {
      writeSync(this.#file, encode(this.#wanted), 0, fileBytes, 0);
      fdatasyncSync(this.#file);
    } catch (error) {
      closeSync(this.#file);
      throw error;
    }
  }

  /** Called with every version that is handed out: reserves the next block in time, in the background. */
  used(version: number): void {
    if (version < this.#wanted.reserved - blockSize / 2) return;
    this.#wanted = { ...this.#wanted, reserved: version + blockSize };
    this.#write();
  }

  /** Notes whether the state file misses changes. */
  setLossy(lossy: boolean): void {
    if (this.#wanted.lossy === lossy) return;
    this.#wanted = { ...this.#wanted, lossy };
    this.#write();
  }

  /** Writes nothing more. */
  close(): void {
    this.#closed = true;
    if (!this.#writing) closeSync(this.#file);
  }

  #write(): void {
    if (this.#writing || this.#closed) return;
    this.#writing = true;
    const written = this.#wanted;
    write(this.#file, encode(written), 0, fileBytes, 0, (writeError) => {
      fdatasync(this.#file, (syncError) => {
        this.#writing = false;
        const error = writeError ?? syncError;
        if (error) this.#onError(error);
        if (this.#closed) closeSync(this.#file);
        else if (!error && this.#wanted !== written) this.#write();
      });
    });
  }
}

function encode(reservation: Reservation): Buffer {
  return Buffer.from(seal(reservation).padEnd(fileBytes, '\n'));
}
