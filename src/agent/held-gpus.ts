// Which GPUs of this node the broker has sold, kept through restarts: while the broker is away, the last word holds.
import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { writeWhole } from '../broker-client/whole-file.ts';
import type { Log } from '../daemon/logger.ts';

/** More than a node has. */
const mostGpus = 1_024;

/** The names in a file; a file that cannot be read or written is said in the log, and memory goes on. */
export class HeldGpusFile {
  readonly #path: string;
  readonly #log: Log;
  /** Undefined before the broker has said anything. */
  #names: ReadonlySet<string> | undefined;
  #listener = () => {};

  constructor(path: string, log: Log) {
    this.#path = path;
    this.#log = log;
    this.#names = this.#read();
  }

  /** Whether a GPU is sold; undefined while the broker has never said. */
  has(name: string): boolean | undefined {
    return this.#names?.has(name.toLowerCase());
  }

  /** Calls the listener after every change. */
  onChange(listener: () => void): void {
    this.#listener = listener;
  }

  /** The broker's word: all that are sold. */
  keep(names: readonly string[]): void {
    const now = new Set(names.slice(0, mostGpus).map((name) => name.toLowerCase()));
    if (this.#names && isDeepStrictEqual(now, this.#names)) return;
    this.#names = now;
    this.#log.info({ gpus: [...now] }, 'what the broker has sold of this node');
    try {
      writeWhole(this.#path, `${JSON.stringify([...now])}\n`);
    } catch (error) {
      this.#log.error({ err: error }, 'what is sold cannot be kept for the next start');
    }
    this.#listener();
  }

  #read(): ReadonlySet<string> | undefined {
    try {
      const names: unknown = JSON.parse(readFileSync(this.#path, 'utf8'));
      if (!Array.isArray(names)) throw new Error('it holds no list');
      return new Set(names.filter((name) => typeof name === 'string'));
    } catch (error) {
      const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
      if (!isMissing) this.#log.error({ err: error, path: this.#path }, 'what was sold before cannot be read');
      return undefined;
    }
  }
}
