// The cache: one map, one counter, one lock. A write is planned, stored, applied and encoded; then it is announced.
import { type EventType, encodeGpu, gpuResponse, listResponse, watchEvent } from './encoding.ts';
import { CacheError } from './errors.ts';
import type { CachedGpu } from './gpu.ts';
import { limits } from './limits.ts';
import { FreshnessLock } from './lock.ts';
import { plan } from './plan.ts';
import type { Write } from './write.ts';

/** A GPU with its bytes. */
export interface Entry {
  readonly gpu: CachedGpu;
  /** The `Gpu` message. */
  readonly bytes: Uint8Array;
  /** The frame that answers GetGpu, UpdateGpu and UpdateGpuStatus. */
  readonly response: Buffer;
}

/** One change, as it is stored and announced. */
export interface Change {
  readonly type: EventType;
  readonly version: number;
  /** The GPU after the change; a deleted one as it last was, at the version of its deletion. */
  readonly entry: Entry;
}

/** What came of a write. */
export interface Written {
  readonly entry: Entry;
  /** Absent where the write changed nothing that a client sees. */
  readonly change?: EventType;
}

/** What the cache hands its changes to before anybody can read them; never rejects, and bounds its own time. */
export interface ChangeStore {
  append(changes: readonly Change[]): Promise<void> | undefined;
}

/** Told of what happens in the cache, in order. */
export interface CacheObserver {
  changed?(change: Change): void;
  /** A write succeeded, whether or not it changed anything. */
  written?(write: Write, written: Written): void;
  waited?(seconds: number): void;
}

export type NameFormat = 'lowercase' | 'raw';

/** What a {@link Cache} needs. */
export interface CacheOptions {
  readonly store: ChangeStore;
  readonly observers?: readonly CacheObserver[];
  /** How a GPU is named: as its creator spells it, or in lower case. Look-ups ignore case either way. */
  readonly nameFormat: NameFormat;
  /** What was in the cache before the restart. */
  readonly restored?: { readonly gpus: readonly CachedGpu[]; readonly version: number };
  /** The provider to which a condition type is reserved, by type; looked at with every write. */
  readonly claims?: ReadonlyMap<string, string>;
  /** Wall clock in milliseconds since the epoch. */
  readonly now: () => number;
  /** Monotonic clock in milliseconds. */
  readonly clock: () => number;
  /** Told of faults of the program that no caller can be told of. */
  readonly onError: (error: unknown) => void;
}

interface Accepted {
  readonly write: Write;
  readonly resolve: (written: Written) => void;
  readonly reject: (error: unknown) => void;
}

/** The GPUs of this node. Reads happen inside {@link Cache.read} only, so that none sees a state older than a pending write. */
export class Cache {
  readonly #options: CacheOptions;
  readonly #observers: CacheObserver[];
  readonly #lock: FreshnessLock<Accepted>;
  readonly #entries = new Map<string, Entry>();
  readonly #held = new Set<string>();
  #version: number;
  #list: Buffer | undefined;
  #snapshot: readonly Buffer[] | undefined;

  constructor(options: CacheOptions) {
    this.#options = options;
    this.#observers = [...(options.observers ?? [])];
    this.#version = options.restored?.version ?? 0;
    for (const gpu of options.restored?.gpus ?? []) {
      const name = servedName(gpu, options.nameFormat);
      this.#entries.set(keyOf(name), entryOf({ ...gpu, name }));
    }
    this.#lock = new FreshnessLock<Accepted>({
      store: (writes) => this.#store(writes),
      maxWaitingWrites: limits.waitingWrites,
      onWait: (seconds) => {
        for (const observer of this.#observers) observer.waited?.(seconds);
      },
      onError: options.onError,
      clock: options.clock,
    });
  }

  /** Adds an observer; it sees every change from now on. */
  observe(observer: CacheObserver): void {
    this.#observers.push(observer);
  }

  /** Runs `run` once every write accepted before this call can be seen: in this turn, where none is pending. */
  read(run: (view: CacheView) => void): void {
    this.#lock.read(() => run(this.#view));
  }

  /** What the cache shows now, whatever is pending: for counting, never for answering. */
  peek(): CacheView {
    return this.#view;
  }

  /**
   * Accepts a write and settles when it is stored and visible.
   *
   * @throws {CacheError} (as a rejection) when it is refused; nothing has changed then
   */
  write(write: Write): Promise<Written> {
    return new Promise((resolve, reject) => {
      if (!this.#lock.write({ write, resolve, reject })) {
        reject(new CacheError('exhausted', `${limits.waitingWrites} writes wait already: try again later`));
      }
    });
  }

  /** Says that the agent sees this GPU: from now on nobody else can delete it. */
  hold(name: string): void {
    this.#held.add(keyOf(name));
  }

  /** Takes back {@link Cache.hold}. */
  release(name: string): void {
    this.#held.delete(keyOf(name));
  }

  readonly #view: CacheView = {
    get: (name) => this.#entries.get(keyOf(name)),
    entries: () => this.#entries.values(),
    size: () => this.#entries.size,
    version: () => this.#version,
    list: () => {
      this.#list ??= listResponse(
        this.#sorted().map(({ bytes }) => bytes),
        this.#version,
      );
      return this.#list;
    },
    snapshot: () => {
      this.#snapshot ??= this.#sorted().map(({ bytes }) => watchEvent('ADDED', bytes));
      return this.#snapshot;
    },
  };

  #sorted(): Entry[] {
    return [...this.#entries.values()].sort((a, b) => (a.gpu.name < b.gpu.name ? -1 : 1));
  }

  /** Plans every write of a group on top of those before it, stores what changes at once, then applies it. */
  #store(group: readonly Accepted[]): Promise<void> | undefined {
    const draft = new Draft(this.#entries, this.#held, this.#version, this.#options);
    const settles = group.map((accepted) => draft.add(accepted));
    const apply = () => {
      this.#apply(draft);
      for (const settle of settles) this.#announce(settle);
    };
    // A fault of the program: nobody may wait for ever because of it.
    const fail = (error: unknown): never => {
      for (const { reject } of group) reject(error);
      throw error;
    };
    try {
      const stored = draft.changes.length > 0 ? this.#options.store.append(draft.changes) : undefined;
      if (stored) return stored.then(apply).catch(fail);
      apply();
      return undefined;
    } catch (error) {
      return fail(error);
    }
  }

  #apply(draft: Draft): void {
    for (const [key, entry] of draft.entries) {
      if (entry) this.#entries.set(key, entry);
      else this.#entries.delete(key);
    }
    if (draft.changes.length === 0) return;
    this.#version = draft.version;
    this.#list = undefined;
    this.#snapshot = undefined;
    for (const change of draft.changes) {
      for (const observer of this.#observers) observer.changed?.(change);
    }
  }

  #announce({ accepted, written, error }: Settled): void {
    if (!written) {
      accepted.reject(error);
      return;
    }
    for (const observer of this.#observers) observer.written?.(accepted.write, written);
    accepted.resolve(written);
  }
}

/** The cache at one moment; valid only inside the call that received it. */
export interface CacheView {
  /** The GPU of this name in any case. */
  get(name: string): Entry | undefined;
  entries(): Iterable<Entry>;
  size(): number;
  version(): number;
  /** The frame that answers ListGpus. */
  list(): Buffer;
  /** An ADDED event for every GPU. */
  snapshot(): readonly Buffer[];
}

interface Settled {
  readonly accepted: Accepted;
  readonly written?: Written;
  readonly error?: unknown;
}

const noClaims: ReadonlyMap<string, string> = new Map();

/** What a group of writes will have made of the cache; nobody sees it before it is stored. */
class Draft {
  /** The new entries; `undefined` for a deleted one. */
  readonly entries = new Map<string, Entry | undefined>();
  readonly changes: Change[] = [];
  version: number;
  readonly #base: ReadonlyMap<string, Entry>;
  readonly #held: ReadonlySet<string>;
  readonly #nameFormat: NameFormat;
  readonly #claims: ReadonlyMap<string, string>;
  readonly #now: number;
  #size: number;
  #bytes = 0;

  constructor(
    base: ReadonlyMap<string, Entry>,
    held: ReadonlySet<string>,
    version: number,
    { nameFormat, claims, now }: CacheOptions,
  ) {
    this.#base = base;
    this.#held = held;
    this.#nameFormat = nameFormat;
    this.#claims = claims ?? noClaims;
    this.#now = now();
    this.version = version;
    this.#size = base.size;
    for (const { bytes } of base.values()) this.#bytes += bytes.length;
  }

  add(accepted: Accepted): Settled {
    try {
      return { accepted, written: this.#plan(accepted.write) };
    } catch (error) {
      return { accepted, error };
    }
  }

  #plan(write: Write): Written {
    const key = keyOf(write.name);
    const current = this.entries.has(key) ? this.entries.get(key) : this.#base.get(key);
    if (!current && write.kind === 'create' && this.#size >= limits.gpus) {
      throw new CacheError('exhausted', `the cache holds ${limits.gpus} GPUs, which is its limit`);
    }
    const circumstances = { now: this.#now, held: this.#held.has(key), claims: this.#claims };
    const planned = plan(write, current?.gpu, circumstances);
    if (planned.change === 'none') {
      // The bytes stay: only who confirmed what may differ.
      const entry = { ...(current as Entry), gpu: planned.gpu };
      this.entries.set(key, entry);
      return { entry };
    }
    const name = servedName(planned.gpu, this.#nameFormat);
    const entry = entryOf({ ...planned.gpu, name, version: this.version + 1 });
    const growth = (planned.change === 'DELETED' ? 0 : entry.bytes.length) - (current?.bytes.length ?? 0);
    if (growth > 0 && this.#bytes + growth > limits.bytes && !(write.kind === 'expire' && write.terse)) {
      // What nobody stands by must never stay: without messages it grows by a bounded part of itself.
      if (write.kind === 'expire') return this.#plan({ ...write, terse: true });
      throw new CacheError('exhausted', `all GPUs together would take over ${limits.bytes} bytes, which is the limit`);
    }
    this.#bytes += growth;
    this.version += 1;
    this.entries.set(key, planned.change === 'DELETED' ? undefined : entry);
    this.#size += { ADDED: 1, MODIFIED: 0, DELETED: -1 }[planned.change];
    this.changes.push({ type: planned.change, version: this.version, entry });
    return { entry, change: planned.change };
  }
}

function entryOf(gpu: CachedGpu): Entry {
  const bytes = encodeGpu(gpu);
  return { gpu, bytes, response: gpuResponse(bytes) };
}

/** How a GPU is called when it is served. */
function servedName({ name, uuid }: CachedGpu, format: NameFormat): string {
  if (format === 'lowercase') return keyOf(name);
  // One that an earlier daemon put in lower case is called by its UUID again.
  return keyOf(uuid) === name ? uuid : name;
}

/** What the GPUs of all spellings of a name are kept under. */
export function keyOf(name: string): string {
  return name.toLowerCase();
}
