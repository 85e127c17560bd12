// What was measured, kept on the node: a file with a sealed line for each measurement, and one for each that the broker
// has. It grows by lines and is written anew, without what is kept no longer, when half of it is of no use.
//
// A line that was torn by a crash, or altered, is left out and said in the log. Where the disk does not take a line,
// memory goes on, and the whole file is written with the next one.
import { appendFile, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { seal, unseal } from '../../cache-server/state/line.ts';
import { messageOf } from '../../daemon/errors.ts';
import type { Log } from '../../daemon/logger.ts';
import { figureNames, units } from '../../score/figures.ts';
import { Measurement } from '../../wire/gpubroker/device/v1/measurement.ts';

/** How many are kept of one GPU, and of all. */
export const mostKept = { ofGpu: 100, ofAll: 1_000 };
/** Lines of no use that a small file may have. */
const spareLines = 16;
/** How long a disk that did not take a line is left alone, in milliseconds. */
const retryAfter = 60_000;
/** A larger file is none of ours. */
const longestFile = 64 * 2 ** 20;
/** Characters of a name, and figures of a measurement, at most. */
const limits = { name: 253, figures: 64, samples: 1_000 };

type Line = { readonly measurement: Measurement } | { readonly stored: string };

/** What {@link KeptMeasurements} needs. */
export interface KeptOptions {
  readonly path: string;
  readonly log: Log;
  /** Told why the file cannot be written; undefined: it can again. */
  readonly onTrouble: (reason: string | undefined) => void;
}

/** The measurements of one node. */
export class KeptMeasurements {
  readonly #options: KeptOptions;
  /** The oldest first. */
  #kept: Measurement[] = [];
  readonly #stored = new Set<string>();
  /** Lines in the file. */
  #lines = 0;
  /** Whether the file is to be written as a whole: it is damaged, or lacks something. */
  #isBroken = false;
  #writing: Promise<void> = Promise.resolve();
  #retry: NodeJS.Timeout | undefined;

  private constructor(options: KeptOptions) {
    this.#options = options;
  }

  /** Reads what is there; a file that cannot be read is said in the log, and what comes next replaces it. */
  static async open(options: KeptOptions): Promise<KeptMeasurements> {
    const kept = new KeptMeasurements(options);
    await kept.#read();
    return kept;
  }

  /** The oldest first. */
  get all(): readonly Measurement[] {
    return this.#kept;
  }

  /** Whether the broker has it. */
  isStored({ id }: Measurement): boolean {
    return this.#stored.has(id);
  }

  /** Keeps one more; resolves when it is written, or cannot be. */
  add(measurement: Measurement): Promise<void> {
    this.#kept.push(measurement);
    this.#drop();
    return this.#write({ measurement });
  }

  /** Tries no more to write what the disk did not take. */
  close(): void {
    clearTimeout(this.#retry);
  }

  /** Notes that the broker has one; resolves as {@link add}. */
  async markStored(id: string): Promise<void> {
    if (this.#stored.has(id) || !this.#kept.some((one) => one.id === id)) return;
    this.#stored.add(id);
    await this.#write({ stored: id });
  }

  async #read(): Promise<void> {
    const { path, log } = this.#options;
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') log.error({ err: error, path }, 'what was measured before cannot be read');
      return '';
    });
    if (text.length > longestFile) {
      log.error({ path, bytes: text.length }, 'what was measured before is too long to be read');
      this.#isBroken = true;
      return;
    }
    const lines = text.split('\n');
    const unreadable = lines.slice(0, -1).filter((line) => !this.#take(line)).length + (lines.at(-1) === '' ? 0 : 1);
    this.#lines = lines.length;
    this.#isBroken = unreadable > 0;
    if (unreadable > 0) log.warn({ path, lines: unreadable }, 'some of what was measured before cannot be read');
    // The file was written as a whole while one of them was on its way.
    this.#kept = [...new Map(this.#kept.map((one) => [one.id, one])).values()];
    this.#drop();
  }

  /** Whether it could be read. */
  #take(line: string): boolean {
    try {
      const read = unseal<Line>(line);
      if (!read) return false;
      if ('stored' in read) this.#stored.add(String(read.stored));
      else this.#kept.push(measurementOf(read.measurement));
      return true;
    } catch {
      return false;
    }
  }

  /** Drops what is too much, the oldest first. */
  #drop(): void {
    const counts = new Map<string, number>();
    const newestFirst = this.#kept.toReversed().filter(({ gpu }) => {
      const count = (counts.get(gpu) ?? 0) + 1;
      counts.set(gpu, count);
      return count <= mostKept.ofGpu;
    });
    this.#kept = newestFirst.slice(0, mostKept.ofAll).reverse();
    const ids = new Set(this.#kept.map(({ id }) => id));
    for (const id of this.#stored) if (!ids.has(id)) this.#stored.delete(id);
  }

  #write(line: Line): Promise<void> {
    this.#writing = this.#writing.then(() => this.#tryToWrite(line));
    return this.#writing;
  }

  async #tryToWrite(line: Line): Promise<void> {
    const { path, log, onTrouble } = this.#options;
    clearTimeout(this.#retry);
    try {
      const useful = this.#kept.length + this.#stored.size;
      if (this.#isBroken || this.#lines > 2 * useful + spareLines) await this.#writeAll();
      else await appendFile(path, seal(line), { mode: 0o600, flush: true }).catch(() => this.#writeAll());
      this.#lines += 1;
      this.#isBroken = false;
      onTrouble(undefined);
    } catch (error) {
      if (!this.#isBroken) log.error({ err: error, path }, 'what was measured cannot be kept for the next start');
      this.#isBroken = true;
      onTrouble(messageOf(error));
      this.#retry = setTimeout(() => void this.#write(line), retryAfter).unref();
    }
  }

  /** Beside its place first: whoever reads finds the old file or the new one. */
  async #writeAll(): Promise<void> {
    const { path } = this.#options;
    const measurements = this.#kept.map((measurement) => seal({ measurement }));
    const stored = [...this.#stored].map((id) => seal({ stored: id }));
    await mkdir(dirname(path), { recursive: true });
    await writeFile(`${path}.new`, [...measurements, ...stored].join(''), { mode: 0o600, flush: true });
    await rename(`${path}.new`, path);
    this.#lines = measurements.length + stored.length;
  }
}

/** A measurement as it was written. @throws Error where it is not one that this program could have made */
function measurementOf(written: Measurement): Measurement {
  const { startTime, endTime } = written;
  const read = Measurement.fromPartial({ ...written, startTime: timeOf(startTime), endTime: timeOf(endTime) });
  const { id, gpu, figures, unmeasured } = read;
  const isUsable =
    /^[0-9a-f-]{36}$/.test(id) &&
    gpu !== '' &&
    gpu.length <= limits.name &&
    figures.length + unmeasured.length <= limits.figures &&
    figures.every(({ name, unit, samples }) => {
      const known = figureNames.find((one) => one === name);
      return known && unit === units[known] && areSamples(samples);
    });
  if (!isUsable) throw new Error('it is not a measurement');
  // What a message cannot carry must be found here.
  Measurement.encode(read);
  return read;
}

function timeOf(written: unknown): Date {
  const time = new Date(String(written));
  if (Number.isNaN(time.getTime())) throw new Error('it has no time');
  return time;
}

function areSamples(samples: readonly unknown[]): boolean {
  return samples.length > 0 && samples.length <= limits.samples && samples.every(Number.isFinite);
}
