// The state file: every change of the cache, appended inside the write, so that nothing is lost when the daemon is killed.
//
// Modes, after `open`:
//
//   keeping   each group of changes is appended, and the write waits for it        -- it failed, or took too long -> missing
//   missing   changes are served from memory; nobody waits for the disk            -- a whole new file was written -> keeping
//             a whole new file is tried with back-off, once no operation is stuck
//
// Nothing is synced to the disk inside a write: a killed process loses nothing that way. What a power loss could take
// is covered by `version-block.ts`, and by the providers, who report again after a restart.
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { type FileHandle, open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Change, ChangeStore } from '../cache.ts';
import type { Registration, RegistrationStore } from '../providers/registration.ts';
import { seal } from './line.ts';
import { decodeState, gpuRecord, type Header, type Restored, type StateRecord } from './records.ts';
import { readReservation, VersionBlock } from './version-block.ts';

/** How long a write waits for the disk before it is served from memory. */
const appendDeadlineMs = 100;
/** The file is written anew when it has grown beyond this many bytes and twice what a new one would take. */
const compactAboveBytes = 1024 * 1024;
/** A file that is larger cannot be ours: what is served is bounded (limits.ts), and so is what is written. */
const mostBytes = 16 * 1024 * 1024;
const firstRetryMs = 1_000;
const longestRetryMs = 30_000;
/** How many damaged files are kept for whoever wants to look. */
const keptDamagedFiles = 3;

/** What a {@link StateFile} needs. */
export interface StateFileOptions {
  readonly folder: string;
  /** Changes with every boot of the machine: as long as it is the same, what was written is still there. */
  readonly bootId: string;
  /** Wall clock in milliseconds since the epoch. */
  readonly now: () => number;
  /** Told what an operator should know. `undefined`: all is well again. */
  readonly onTrouble: (message: string | undefined) => void;
  /** Told of a damaged file that was set aside. */
  readonly onDamage: (message: string) => void;
}

/** The state file `state` in the data folder. */
export class StateFile implements ChangeStore, RegistrationStore {
  /** What was in the cache before the restart, and the version at which it goes on. */
  restored: Kept;
  readonly #options: StateFileOptions;
  /** The latest line of each GPU and provider: all that a new file needs. */
  readonly #lines = new Map<string, string>();
  /** Of all these lines together. */
  #linesBytes = 0;
  #version: number;
  /** What is wrong with either file. */
  readonly #troubles = new Map<'state' | 'versions', string>();
  #versions: VersionBlock | undefined;
  #file: FileHandle | undefined;
  #fileBytes = 0;
  #mode: 'keeping' | 'missing' | 'closed' = 'missing';
  #closing = false;
  /** Operations on the file, one after the other. */
  #last: Promise<unknown> = Promise.resolve();
  #stuck = 0;
  #retry: NodeJS.Timeout | undefined;
  #retryMs = firstRetryMs;

  private constructor(options: StateFileOptions, restored: Kept) {
    this.#options = options;
    this.restored = restored;
    this.#version = restored.version;
    for (const gpu of restored.gpus) this.#keep(gpuKey(gpu.name), seal(gpuRecord(gpu)));
    for (const one of restored.registrations) this.#keep(providerKey(one.id), seal({ v: 0, registered: one }));
  }

  /** Reads what is there and begins a new file. Never throws: without a usable disk, changes are kept in memory. */
  static async open(options: StateFileOptions): Promise<StateFile> {
    const state = new StateFile(options, restore(options));
    await state.#begin();
    return state;
  }

  append(changes: readonly Change[]): Promise<void> | undefined {
    const lines = changes.map((change) => seal(recordOf(change)));
    for (const [i, { entry, type }] of changes.entries()) {
      this.#keep(gpuKey(entry.gpu.name), type === 'DELETED' ? undefined : lines[i]);
    }
    this.#version = changes.at(-1)?.version ?? this.#version;
    this.#versions?.used(this.#version);
    return this.#append(lines.join(''));
  }

  keepRegistration(registration: Registration): Promise<void> | undefined {
    const line = seal({ v: this.#version, registered: registration });
    this.#keep(providerKey(registration.id), line);
    return this.#append(line);
  }

  forgetRegistration(id: string): Promise<void> | undefined {
    this.#keep(providerKey(id), undefined);
    return this.#append(seal({ v: this.#version, unregistered: id }));
  }

  /** Notes that the daemon stops in good order; waits for the disk, but not for long. */
  async close(): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    clearTimeout(this.#retry);
    if (this.#mode === 'keeping') {
      await this.#bounded(
        this.#inTurn(async () => {
          await this.#write(seal({ v: this.#version, closed: true }));
          await this.#file?.sync();
        }),
        10 * appendDeadlineMs,
      );
    }
    this.#mode = 'closed';
    this.#versions?.close();
    if (this.#stuck === 0) await this.#file?.close();
  }

  async #begin(): Promise<void> {
    try {
      mkdirSync(this.#options.folder, { recursive: true });
      this.#versions = this.#reserve();
      await this.#inTurn(() => this.#rewrite());
      this.#versions.begin();
      this.#mode = 'keeping';
    } catch (error) {
      // Nothing is reserved on disk: milliseconds since the epoch lie above any count of changes before.
      if (!this.#versions) {
        this.#version = Math.max(this.#version, this.#options.now());
        this.restored = { ...this.restored, version: this.#version };
      }
      this.#miss(error as Error);
    }
  }

  #reserve(): VersionBlock {
    return new VersionBlock(this.#options.folder, this.#version, (error) => this.#tell('versions', error));
  }

  #append(text: string): Promise<void> | undefined {
    if (this.#mode !== 'keeping' || this.#closing) {
      this.#versions?.setLossy(true);
      return undefined;
    }
    return this.#bounded(this.#inTurn(() => this.#write(text)));
  }

  #keep(key: string, line: string | undefined): void {
    this.#linesBytes += (line?.length ?? 0) - (this.#lines.get(key)?.length ?? 0);
    if (line === undefined) this.#lines.delete(key);
    else this.#lines.set(key, line);
  }

  /** Waits for an operation, but no longer than the deadline; a failure turns the mode to `missing`. */
  async #bounded(operation: Promise<void>, deadlineMs = appendDeadlineMs): Promise<void> {
    this.#stuck += 1;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`the disk took longer than ${deadlineMs} ms`)), deadlineMs);
    });
    const done = operation.finally(() => {
      this.#stuck -= 1;
    });
    done.catch(() => undefined);
    try {
      await Promise.race([done, late]);
    } catch (error) {
      this.#miss(error as Error);
    } finally {
      clearTimeout(timer);
    }
  }

  #inTurn(operation: () => Promise<void>): Promise<void> {
    const turn = this.#last.then(operation);
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async #write(text: string): Promise<void> {
    // An operation that waited behind one which failed: the file now misses changes, and only a new one will do.
    if (this.#mode === 'missing') return;
    const bytes = Buffer.from(text);
    const { bytesWritten } = (await this.#file?.write(bytes)) ?? { bytesWritten: 0 };
    if (bytesWritten < bytes.length) throw new Error('the disk is full');
    this.#fileBytes += bytes.length;
    if (this.#fileBytes > compactAboveBytes && this.#fileBytes > 2 * this.#linesBytes) await this.#rewrite();
  }

  /** Writes a whole new file beside the old one and puts it in its place. */
  async #rewrite(): Promise<void> {
    const path = join(this.#options.folder, 'state');
    const text = this.#snapshot();
    const file = await open(`${path}.new`, 'w', 0o644);
    try {
      await file.writeFile(text);
      await rename(`${path}.new`, path);
    } catch (error) {
      await file.close();
      throw error;
    }
    await this.#file?.close().catch(() => undefined);
    this.#file = file;
    this.#fileBytes = text.length;
  }

  #snapshot(): string {
    const header: Header = { format: 1, boot: this.#options.bootId };
    const lines = [...this.#lines.values()].sort((a, b) => versionOf(a) - versionOf(b));
    return seal(header) + lines.join('') + seal({ v: this.#version, closed: false });
  }

  #miss(error: Error): void {
    if (this.#closing) return;
    this.#mode = 'missing';
    this.#versions?.setLossy(true);
    this.#tell('state', error);
    this.#recoverLater();
    this.#retryMs = Math.min(this.#retryMs * 2, longestRetryMs);
  }

  #recoverLater(): void {
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#recover(), this.#retryMs).unref();
  }

  async #recover(): Promise<void> {
    if (this.#stuck > 0) {
      this.#recoverLater();
      return;
    }
    // From here on changes are appended behind the new file; should it fail, they are in memory all the same.
    const rewritten = this.#inTurn(async () => {
      this.#versions ??= this.#reserve();
      await this.#rewrite();
    });
    this.#mode = 'keeping';
    await this.#bounded(rewritten);
    if ((this.#mode as string) !== 'keeping') return;
    this.#retryMs = firstRetryMs;
    this.#versions?.setLossy(false);
    this.#tell('state', undefined);
  }

  #tell(what: 'state' | 'versions', error: Error | undefined): void {
    if (!error && !this.#troubles.has(what)) return;
    const where = join(this.#options.folder, what);
    const meanwhile = what === 'state' ? 'changes are served from memory' : 'versions may repeat after a power loss';
    if (error) this.#troubles.set(what, `${where} cannot be written: ${error.message}; ${meanwhile}`);
    else this.#troubles.delete(what);
    this.#options.onTrouble([...this.#troubles.values()].join('; ') || undefined);
  }
}

/** What was there before the restart. */
interface Kept extends Pick<Restored, 'gpus' | 'registrations' | 'version'> {
  /** Whether the machine has booted since; not where nobody can say. */
  readonly rebooted: boolean;
}

/** What the data folder says, damaged files set aside. */
function restore(options: StateFileOptions): Kept {
  const { folder, bootId, now, onDamage } = options;
  const state = readState(folder, onDamage, now());
  const reservation = readReservation(folder);
  if (reservation === 'damaged') onDamage(`${join(folder, 'versions')} cannot be read`);
  if (!state && !reservation) return { gpus: [], registrations: [], version: 0, rebooted: false };
  const rebooted = bootId !== '' && state !== undefined && state.boot !== '' && state.boot !== bootId;
  const { gpus, registrations } = state ?? { gpus: [], registrations: [] };
  const exact = state && !state.damage && (state.closed || (bootId !== '' && state.boot === bootId));
  if (exact && reservation && reservation !== 'damaged' && !reservation.lossy) {
    return { gpus, registrations, version: state.version, rebooted };
  }
  // Without a readable reservation, milliseconds since the epoch lie above any count of changes.
  const beyond = reservation && reservation !== 'damaged' ? reservation.reserved : now();
  return { gpus, registrations, version: Math.max(state?.version ?? 0, beyond), rebooted };
}

function readState(folder: string, onDamage: StateFileOptions['onDamage'], now: number): Restored | undefined {
  const path = join(folder, 'state');
  try {
    const { size } = statSync(path);
    if (size > mostBytes) throw new Error(`it has ${size} bytes, more than ${mostBytes}`);
    const state = decodeState(readFileSync(path, 'utf8'));
    if (state.damage) onDamage(`${path}: ${state.damage}; ${setAside(folder, now)}`);
    return state;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    onDamage(`${path}: ${(error as Error).message}; ${setAside(folder, now)}`);
    return { gpus: [], registrations: [], version: 0, boot: '', closed: false, damage: 'unreadable' };
  }
}

/** Keeps a damaged file under another name, and says so. */
function setAside(folder: string, now: number): string {
  const name = `state.damaged-${new Date(now).toISOString().replaceAll(':', '')}`;
  try {
    renameSync(join(folder, 'state'), join(folder, name));
    const old = readdirSync(folder).filter((file) => file.startsWith('state.damaged-'));
    for (const file of old.sort().slice(0, -keptDamagedFiles)) rmSync(join(folder, file), { recursive: true });
    return `set aside as ${name}`;
  } catch (error) {
    return `it could not be set aside: ${(error as Error).message}`;
  }
}

function recordOf({ type, version, entry }: Change): StateRecord {
  return type === 'DELETED' ? { v: version, deleted: entry.gpu.name } : gpuRecord(entry.gpu);
}

function gpuKey(name: string): string {
  return name.toLowerCase();
}

/** The space stands in no GPU's name. */
function providerKey(id: string): string {
  return `provider ${id}`;
}

function versionOf(line: string): number {
  return Number(/"v":(\d+)/.exec(line)?.[1]);
}
