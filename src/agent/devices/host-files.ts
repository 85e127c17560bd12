// The files in which a kernel describes its machine (sysfs, procfs), below one root that can be set: the machine's own,
// where a container has mounted it, or a tree that a test has written. What cannot be read is absent: missing, refused,
// garbled, or a link that leads out of the root. Reading may block where a driver does, so what asks a device rather
// than the kernel's memory belongs in the probe process.
import { closeSync, constants, openSync, readdirSync, readlinkSync, readSync, realpathSync } from 'node:fs';
import { basename, join, resolve, sep } from 'node:path';

/** Bytes of a file that are looked at. */
const MAX_FILE_BYTES = 65_536;
/** Characters of a value. */
const MAX_VALUE_LENGTH = 256;
/** Entries of a folder that are looked at. */
const MAX_ENTRIES = 16_384;

/** Without waiting for a writer where somebody has put a pipe, and without following what was not a link just before. */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW;

/** Reading is synchronous, so one buffer serves all; what is handed out is a copy. */
const scratch = Buffer.allocUnsafeSlow(MAX_FILE_BYTES);

/** The files below one root; all paths are relative to it. */
export class HostFiles {
  readonly #root: string;

  constructor(root: string) {
    this.#root = attempt(() => realpathSync.native(root)) ?? resolve(root);
  }

  /** The lines of a file without the empty ones; undefined where there is none. */
  lines(path: string): string[] | undefined {
    const lines = attempt(() => this.#read(path, MAX_FILE_BYTES).toString('utf8'))
      ?.split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '');
    return lines?.length ? lines : undefined;
  }

  /** The one line of a file that holds one value, if people can read it. */
  line(path: string): string | undefined {
    const [line, ...more] = this.lines(path) ?? [];
    return line !== undefined && more.length === 0 && isPrintable(line) ? line : undefined;
  }

  /** A whole number of at least 0, in decimal or with `0x`. */
  integer(path: string): number | undefined {
    const line = this.line(path);
    if (line === undefined || !/^(0x[0-9a-f]+|\d+)$/i.test(line)) return undefined;
    const value = Number(line);
    return Number.isSafeInteger(value) ? value : undefined;
  }

  /** The first bytes of a file, at most 65,536; fewer where it ends before. */
  bytes(path: string, count: number): Buffer | undefined {
    return attempt(() => Buffer.from(this.#read(path, count)));
  }

  /** The names in a folder, in order; none where there is no such folder. */
  names(path: string): string[] {
    const names = attempt(() => readdirSync(this.#resolved(path))) ?? [];
    return names.slice(0, MAX_ENTRIES).sort();
  }

  /** Whether there is such a file or folder. */
  exists(path: string): boolean {
    return attempt(() => this.#resolved(path)) !== undefined;
  }

  /** The name of what a link points to, as the kernel says which driver a device has. */
  linkName(path: string): string | undefined {
    const name = attempt(() => basename(readlinkSync(join(this.#resolved(join(path, '..')), basename(path)))));
    return name !== undefined && name !== '' && isPrintable(name) ? name : undefined;
  }

  /** What is returned is overwritten by the next read. */
  #read(path: string, count: number): Buffer {
    const file = openSync(this.#resolved(path), OPEN_FLAGS);
    try {
      let length = 0;
      for (let read = -1; read !== 0; length += read) read = readSync(file, scratch, length, count - length, null);
      return scratch.subarray(0, length);
    } finally {
      closeSync(file);
    }
  }

  /** The path without links; throws where it leads out of the root. */
  #resolved(path: string): string {
    const real = realpathSync.native(join(this.#root, path));
    const within = this.#root === sep ? sep : this.#root + sep;
    if (real !== this.#root && !real.startsWith(within)) throw new Error(`${path} leads out of ${this.#root}`);
    return real;
  }
}

function isPrintable(text: string): boolean {
  return text.length <= MAX_VALUE_LENGTH && /^[^\p{C}\uFFFD]+$/u.test(text);
}

/** A file of the kernel may vanish or refuse between any two calls. */
function attempt<Value>(read: () => Value): Value | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
