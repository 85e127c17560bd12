// Follows the file of faults while the source runs, and plays what no call can answer: hangs and crashes.
import { readFileSync, statSync } from 'node:fs';
import { type EventFault, type Faults, NO_FAULTS, parseFaults } from './faults.ts';

/** Follows a file of faults. A missing file means none; a garbled one is reported once and changes nothing. */
export class FaultsFile {
  readonly #path: string | undefined;
  readonly #report: (message: string) => void;
  #faults = NO_FAULTS;
  #version = '';
  /** The events of the file that have been reported, or stood there before anybody looked. */
  #reported: ReadonlySet<string>;

  constructor(path: string | undefined, report: (message: string) => void) {
    this.#path = path;
    this.#report = report;
    this.#reported = new Set(this.current().events.map(identityOf));
  }

  /** The faults in force; looks at the file first. */
  current(): Faults {
    if (this.#path === undefined) return this.#faults;
    const version = versionOf(this.#path);
    if (version === this.#version) return this.#faults;
    this.#version = version;
    try {
      this.#faults = version === '' ? NO_FAULTS : parseFaults(readFileSync(this.#path, 'utf8'));
    } catch (error) {
      this.#report(`faults in ${this.#path} ignored: ${error instanceof Error ? error.message : error}`);
    }
    return this.#faults;
  }

  /** The events that are new in the file since the last call. */
  newEvents(): EventFault[] {
    const { events } = this.#faults;
    const fresh = events.filter((event) => !this.#reported.has(identityOf(event)));
    this.#reported = new Set(events.map(identityOf));
    return fresh;
  }
}

function identityOf(event: EventFault): string {
  return JSON.stringify(event);
}

/** Empty when there is no such file. */
function versionOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? '' : `${stat.ino}:${stat.mtimeMs}:${stat.size}`;
}

/** Never returns, as a driver call that hangs. */
export function hang(): never {
  const nothing = new Int32Array(new SharedArrayBuffer(4));
  for (;;) Atomics.wait(nothing, 0, 0);
}

/** Ends this process as a driver that writes through a wild pointer. */
export function crash(): never {
  process.kill(process.pid, 'SIGSEGV');
  return hang();
}
