// The providers of this node: who has registered, who is heard, and what becomes of the conditions of those who are not.
//
//   connected  -- nothing is heard for three of its intervals: its conditions turn Unknown,
//                 its condition types are free                                            -> silent
//   silent     -- it is heard: it gets back the types that nobody has taken,
//                 its conditions stay Unknown until it reports them                       -> connected
//              -- a new provider needs its place                                          -> forgotten
//   either     -- it unregisters: its conditions turn Unknown, or go                      -> forgotten
//
// A beat is a heartbeat, a registration or a write, counted when it is accepted. So a write that was accepted before a
// silence began prevents it, and one that was accepted after it is planned behind the write that marks the silence.
import type { Log } from '../../daemon/logger.ts';
import type { Provider } from '../../wire/gpubroker/device/v1/provider_registry.ts';
import type { Cache, CacheView } from '../cache.ts';
import { CacheError, quoted } from '../errors.ts';
import { writeToEach } from '../expiry.ts';
import type { CachedGpu } from '../gpu.ts';
import { limits } from '../limits.ts';
import { agentProvider, type Write } from '../write.ts';
import { Beats } from './beats.ts';
import { type Registration, type RegistrationStore, sameRegistration } from './registration.ts';

/** A look that comes later than this comes late itself: what has arrived meanwhile is read before anybody is judged. */
const lateMs = 100;

/** What {@link Providers} need. */
export interface ProvidersOptions {
  readonly cache: Cache;
  /** The provider that owns a condition type, by type; the cache looks at it with every write. */
  readonly claims: Map<string, string>;
  readonly store: RegistrationStore;
  /** Who was registered before the restart: they have three beats to be heard. */
  readonly restored?: readonly Registration[];
  /** Wall clock in milliseconds since the epoch. */
  readonly now: () => number;
  /** Monotonic clock in milliseconds. */
  readonly clock: () => number;
  readonly log: Log;
}

interface Known {
  registration: Registration;
  isSilent: boolean;
  /** When it was last heard, or when the daemon started; milliseconds since the epoch. */
  sinceMs: number;
  /** Absent: not since the daemon started. */
  heardMs?: number;
  beats: number;
  timeouts: number;
  /** False once nothing of it has been found that waits to be reported again. */
  mayWait: boolean;
}

/** A registered provider as metrics show it. */
export type ProviderState = Readonly<Pick<Known, 'isSilent' | 'heardMs' | 'beats' | 'timeouts'>>;

/** Everybody who has registered; a provider that never has is not missed. */
export class Providers {
  readonly #options: ProvidersOptions;
  readonly #known = new Map<string, Known>();
  readonly #beats = new Beats();
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: ProvidersOptions) {
    this.#options = options;
    for (const registration of options.restored ?? []) {
      const known = { registration, isSilent: false, sinceMs: options.now(), beats: 0, timeouts: 0, mayWait: true };
      this.#known.set(registration.id, known);
      this.#connect(known);
    }
    this.#wait();
  }

  /**
   * Registers a provider, or changes what it has registered; settles when that is kept.
   *
   * @throws CacheError where another provider that beats has one of the types, or all places are taken
   */
  async register(registration: Registration): Promise<void> {
    const { id } = registration;
    this.#expectFree(registration);
    const before = this.#known.get(id);
    const forgotten = before ? undefined : this.#makeRoom();
    const taken = this.#takeFromSilent(registration);
    const known = before ?? { registration, isSilent: false, sinceMs: 0, beats: 0, timeouts: 0, mayWait: true };
    const isNew = !before || !sameRegistration(before.registration, registration);
    this.#disclaim(known);
    known.registration = registration;
    known.mayWait = true;
    this.#known.set(id, known);
    this.#connect(known);
    this.heard(id);
    this.#wait();
    if (isNew) await Promise.all([forgotten, ...taken, this.#options.store.keepRegistration(registration)]);
  }

  /** A provider has called; nothing, if it has not registered. */
  heard(id: string): void {
    const known = this.#known.get(id);
    if (!known) return;
    const { now, clock, log } = this.#options;
    known.sinceMs = now();
    known.heardMs = known.sinceMs;
    known.beats += 1;
    if (!known.isSilent) {
      this.#beats.heard(id, clock());
      return;
    }
    known.isSilent = false;
    this.#connect(known);
    this.#wait();
    log.info({ provider: id }, 'a silent provider is heard again');
  }

  /** A beat and nothing else; throws a CacheError where the provider has not registered. */
  heartbeat(id: string): void {
    this.#expectKnown(id);
    this.heard(id);
  }

  /** Whether a condition of a registered provider waits to be reported again. */
  waitsForReport(id: string, view: CacheView): boolean {
    const known = this.#known.get(id);
    if (!known?.mayWait) return false;
    for (const { gpu } of view.entries()) {
      if (gpu.conditions.some(({ provider, confirmed }) => provider === id && !confirmed)) return true;
    }
    known.mayWait = false;
    return false;
  }

  /**
   * Ends a registration; settles when the provider's conditions have turned Unknown, or are gone.
   *
   * @throws CacheError where the provider has not registered
   */
  async unregister(id: string, removeConditions: boolean): Promise<void> {
    this.#expectKnown(id);
    const kept = this.#forget(id);
    const cause = `unregistered at ${new Date(this.#options.now()).toISOString()}`;
    const status = { conditions: [], recommendedAction: '' };
    const toWrite = (name: string): Write =>
      removeConditions
        ? { kind: 'status', provider: id, name, status, expectedVersion: 0n }
        : { kind: 'expire', provider: id, name, cause };
    await Promise.all([kept, this.#writeToAllOf(id, toWrite, () => !this.#known.has(id))]);
  }

  /** Those that have registered and then others that report, each by id; of the others no more than of the first. */
  list(view: CacheView): Provider[] {
    const gpus = gpusByProvider(view);
    const registered = [...this.#known.values()].map((known) => toWire(known, gpus.get(known.registration.id) ?? 0));
    const others = [...gpus].filter(([id]) => !this.#known.has(id)).slice(0, limits.providers);
    return [...registered.sort(byId), ...others.map(([id, count]) => reporterToWire(id, count)).sort(byId)];
  }

  /** Everybody who has registered, for metrics. */
  states(): ReadonlyMap<string, ProviderState> {
    return this.#known;
  }

  /** Marks nobody any more. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #expectKnown(id: string): void {
    if (this.#known.has(id)) return;
    throw new CacheError('failed-precondition', `provider ${quoted(id)} is not registered: register first`);
  }

  #expectFree({ id, types }: Registration): void {
    const { claims } = this.#options;
    for (const [i, type] of types.entries()) {
      const claimant = claims.get(type);
      if (claimant === undefined || claimant === id) continue;
      const what = `condition_types[${i}]: ${quoted(type)} is registered by provider ${claimant}`;
      throw new CacheError('failed-precondition', what);
    }
  }

  /** A provider that has been silent for longest gives its place to a new one. */
  #makeRoom(): Promise<void> | undefined {
    if (this.#known.size < limits.providers) return undefined;
    const silent = [...this.#known.values()].filter(({ isSilent }) => isSilent);
    const [longest] = silent.sort((a, b) => a.sinceMs - b.sinceMs);
    if (longest) return this.#forget(longest.registration.id);
    throw new CacheError('exhausted', `${limits.providers} providers are registered already, which is the limit`);
  }

  /** What a silent provider had registered is its no more, also when it comes back. */
  #takeFromSilent({ id, types }: Registration): (Promise<void> | undefined)[] {
    return [...this.#known.values()]
      .filter(({ registration }) => registration.id !== id && registration.types.some((type) => types.includes(type)))
      .map((known) => {
        const left = known.registration.types.filter((type) => !types.includes(type));
        known.registration = { ...known.registration, types: left };
        return this.#options.store.keepRegistration(known.registration);
      });
  }

  #forget(id: string): Promise<void> | undefined {
    const known = this.#known.get(id);
    if (known) this.#disclaim(known);
    this.#known.delete(id);
    this.#beats.forget(id);
    return this.#options.store.forgetRegistration(id);
  }

  /** Its types are its own from now on, and its beats are expected. */
  #connect({ registration: { id, types, intervalMs } }: Known): void {
    const { claims, clock } = this.#options;
    for (const type of types) if (!claims.has(type)) claims.set(type, id);
    this.#beats.expect(id, intervalMs, clock());
  }

  #disclaim({ registration: { id, types } }: Known): void {
    const { claims } = this.#options;
    for (const type of types) if (claims.get(type) === id) claims.delete(type);
  }

  /** One timer for all; beats that come meanwhile leave it, and it finds then that it was early. */
  #wait(patienceMs = 0): void {
    clearTimeout(this.#timer);
    const due = this.#beats.next();
    if (due === undefined || this.#stopped) return;
    const now = this.#options.clock();
    const isSecondLook = patienceMs > 0 && due <= now + patienceMs;
    const dueMs = isSecondLook ? now + patienceMs : due;
    this.#timer = setTimeout(() => this.#look(dueMs, isSecondLook), Math.max(0, dueMs - now)).unref();
  }

  #look(dueMs: number, isSecondLook: boolean): void {
    const at = this.#options.clock();
    if (at - dueMs > lateMs && !isSecondLook) {
      this.#wait(lateMs);
      return;
    }
    for (const id of this.#beats.takeSilent(at)) this.#markSilent(id);
    this.#wait();
  }

  #markSilent(id: string): void {
    const known = this.#known.get(id);
    if (!known) return;
    known.isSilent = true;
    known.timeouts += 1;
    known.mayWait = true;
    this.#disclaim(known);
    const since = new Date(known.sinceMs).toISOString();
    this.#options.log.warn({ provider: id, since }, 'a provider has gone silent; its conditions turn Unknown');
    const { timeouts } = known;
    const toWrite = (name: string): Write => {
      return { kind: 'expire', provider: id, name, cause: `has been silent since ${since}` };
    };
    // Until it is heard: what it has not lost by then it stands by again.
    const isStillSilent = () => this.#known.get(id) === known && known.isSilent && known.timeouts === timeouts;
    void this.#writeToAllOf(id, toWrite, isStillSilent);
  }

  #writeToAllOf(id: string, toWrite: (name: string) => Write, goOn: () => boolean): Promise<void> {
    const { cache } = this.#options;
    return writeToEach(
      cache,
      (gpu) => reportsOn(gpu, id),
      toWrite,
      () => !this.#stopped && goOn(),
    );
  }
}

function reportsOn({ conditions, actions }: CachedGpu, id: string): boolean {
  return Object.hasOwn(actions, id) || conditions.some(({ provider }) => provider === id);
}

function gpusByProvider(view: CacheView): Map<string, number> {
  const gpus = new Map<string, number>();
  for (const { gpu } of view.entries()) {
    const ids = new Set(gpu.conditions.map(({ provider }) => provider));
    for (const id of ids) gpus.set(id, (gpus.get(id) ?? 0) + 1);
  }
  return gpus;
}

function toWire({ registration, isSilent, heardMs, beats, timeouts }: Known, gpus: number): Provider {
  return {
    id: registration.id,
    state: isSilent ? 'silent' : 'connected',
    conditionTypes: [...registration.types],
    heartbeatIntervalMillis: registration.intervalMs,
    lastHeartbeat: heardMs === undefined ? undefined : new Date(heardMs),
    heartbeats: BigInt(beats),
    timeouts: BigInt(timeouts),
    gpus,
  };
}

function reporterToWire(id: string, gpus: number): Provider {
  return {
    id,
    state: id === agentProvider ? 'built-in' : 'unregistered',
    conditionTypes: [],
    heartbeatIntervalMillis: 0,
    lastHeartbeat: undefined,
    heartbeats: 0n,
    timeouts: 0n,
    gpus,
  };
}

function byId(a: Provider, b: Provider): number {
  return a.id < b.id ? -1 : 1;
}
