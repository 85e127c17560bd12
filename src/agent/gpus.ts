// Carries what the supervisors see into the cache: one GPU for every device, with its conditions and its record.
//
// A device's latest view, and what health rules have found of it, is all that counts. It is written at once. What the
// cache refuses (too many writes wait), and a condition that another provider owns, is written again later, ever more
// rarely, until it is in or the device is gone. The other conditions of the GPU do not wait for it.
import { isDeepStrictEqual } from 'node:util';
import type { Cache } from '../cache-server/cache.ts';
import type { DeviceBook } from '../cache-server/device-details.ts';
import { CacheError } from '../cache-server/errors.ts';
import type { CachedGpu, OwnedCondition } from '../cache-server/gpu.ts';
import { ownerIsLive } from '../cache-server/plan.ts';
import { agentProvider, type ReportedCondition, type ReportedStatus, type Write } from '../cache-server/write.ts';
import type { Log } from '../daemon/logger.ts';
import { rememberedOf, rememberedPerformanceOf, statusOf } from './conditions.ts';
import { toDevice } from './device.ts';
import { Backoff } from './devices/backoff.ts';
import type { DeviceEvent } from './devices/source.ts';
import type { DeviceView } from './devices/view.ts';
import type { HealthBook } from './health/health-book.ts';
import type { Witness } from './health/witnesses.ts';
import { IdentityEvidence } from './identity/identity-evidence.ts';

/** How long a refused write waits before it is tried again, in milliseconds. */
const retryBackoff = { first: 1_000, longest: 60_000, clock: () => performance.now(), random: Math.random };

/** A GPU of which not everything could be written. */
interface Refused {
  /** Why, as it was logged. */
  cause: string;
  readonly backoff: Backoff;
  timer?: NodeJS.Timeout;
}

/** The GPUs that the agent has put into the cache, or found there after a restart. */
export class Gpus {
  readonly #cache: Cache;
  readonly #book: DeviceBook;
  readonly #log: Log;
  readonly #health: HealthBook | undefined;
  /** The latest view of each device, by name in the cache. */
  readonly #views = new Map<string, DeviceView>();
  /** What is to be reported of each. */
  readonly #statuses = new Map<string, ReportedStatus>();
  readonly #refused = new Map<string, Refused>();
  /** What their measurements say of how they perform. */
  readonly #performance = new Map<string, ReportedCondition>();
  readonly #identity = new IdentityEvidence();
  /** What the agent reported before the restart and has not seen since. */
  readonly #unseen: Set<string>;

  /**
   * @param health the rules by which devices are judged; without them only what the driver answers counts
   * @param rebooted whether the machine has booted since the cache was written
   */
  constructor(cache: Cache, book: DeviceBook, log: Log, health?: HealthBook, rebooted = false) {
    this.#cache = cache;
    this.#book = book;
    this.#log = log;
    this.#health = health;
    const own = [...cache.peek().entries()].filter(({ gpu }) =>
      gpu.conditions.some(({ provider }) => provider === agentProvider),
    );
    this.#unseen = new Set(own.map(({ gpu }) => gpu.name.toLowerCase()));
    for (const { gpu } of own) {
      health?.remember(gpu.uuid, rememberedOf(gpu), rebooted);
      const performance = rememberedPerformanceOf(gpu);
      if (performance) this.#performance.set(gpu.name.toLowerCase(), performance);
    }
  }

  /** Shows a device as it is now. */
  show(view: DeviceView): void {
    const name = view.uuid.toLowerCase();
    // A copy: the supervisor changes its views in place.
    this.#views.set(name, { ...view });
    this.#unseen.delete(name);
    this.#report(this.#health?.look(view) ?? [name]);
    const changed = this.#identity.saw(name, view);
    for (const one of changed) this.#warnOfContradictions(one);
    for (const one of new Set([...changed, name])) this.#showRecord(one);
  }

  /** Takes what the driver of a source, or the kernel's log, reports of a device. */
  take(source: string, event: DeviceEvent, witness?: Witness): void {
    this.#report(this.#health?.report(source, event, witness) ?? []);
  }

  /**
   * Takes an operator's word that a GPU was reset where the agent did not see it.
   *
   * @returns how long nothing may be the matter from now on, in milliseconds
   * @throws CacheError where no reset is waited for
   */
  declareReset(gpu: string): number {
    const name = gpu.toLowerCase();
    const view = this.#views.get(name);
    const refused = (why: string) => new CacheError('failed-precondition', why);
    if (!this.#health) throw refused(`--health-checks is off on this node: no reset is waited for`);
    if (!view) throw refused(`no driver has shown ${name} since the agent started: declare the reset once one does`);
    const { parent } = view.record;
    if (parent) throw refused(`${name} is a MIG instance: declare the reset of its GPU, ${parent.toLowerCase()}`);
    const declared = this.#health.declareReset(name);
    if (!declared) throw refused(`${name} has not failed: no health check of the agent waits for a reset of it`);
    const { concerned, quietPeriod } = declared;
    this.#log.info({ gpu: name, quietPeriod }, 'an operator declares that the GPU was reset');
    this.#report(concerned);
    return quietPeriod;
  }

  /** Reports how a GPU performs; undefined where that is not known. */
  showPerformance(gpu: string, condition: ReportedCondition | undefined): void {
    const name = gpu.toLowerCase();
    if (condition) this.#performance.set(name, condition);
    else this.#performance.delete(name);
    this.#report([name]);
  }

  /** Keeps a device that its driver shows no more, though it is still there. */
  keepUnshown(uuid: string): void {
    this.#report(this.#health?.unshown(uuid) ?? []);
  }

  /** Removes a device for good. */
  remove(uuid: string): void {
    const name = uuid.toLowerCase();
    this.#views.delete(name);
    this.#statuses.delete(name);
    this.#health?.remove(uuid);
    for (const other of this.#identity.gone(name)) this.#showRecord(other);
    this.#settled(name);
    this.#delete(name);
  }

  /**
   * Removes what was there before the restart and is not now; to be called once every source has been looked through.
   *
   * @returns the names of what it removes
   */
  removeUnseen(): string[] {
    const unseen = [...this.#unseen];
    for (const name of unseen) {
      this.#log.warn({ gpu: name }, 'the GPU was here before the restart and is gone');
      this.#delete(name);
    }
    this.#unseen.clear();
    return unseen;
  }

  /** The conditions that the agent reports of all devices, for counting. */
  *conditions(): Iterable<ReportedCondition> {
    for (const { conditions } of this.#statuses.values()) yield* conditions;
  }

  /** How many processes compute on a GPU; undefined where the driver does not say, or nothing was read. */
  computeProcesses(name: string): number | undefined {
    const processes = this.#views.get(name.toLowerCase())?.readings?.processes;
    return processes?.filter(({ kind }) => kind === 'compute').length;
  }

  /** Writes nothing more. */
  stop(): void {
    for (const { timer } of this.#refused.values()) clearTimeout(timer);
    this.#refused.clear();
    this.#views.clear();
    this.#statuses.clear();
  }

  /** Writes those whose status is another one now. */
  #report(names: Iterable<string>): void {
    for (const name of names) {
      const view = this.#views.get(name);
      if (!view) continue;
      const status = statusOf(view, this.#health?.findings(name) ?? [], this.#performance.get(name));
      if (isDeepStrictEqual(status, this.#statuses.get(name))) continue;
      this.#statuses.set(name, status);
      this.#write(name);
    }
  }

  #warnOfContradictions(name: string): void {
    for (const { check, witness, verdict, message } of this.#identity.of(name)) {
      if (verdict !== 'disagrees') continue;
      this.#log.warn(
        { gpu: name, check, witness, said: message },
        'a witness contradicts what the driver says of the GPU',
      );
    }
  }

  #showRecord(name: string): void {
    const view = this.#views.get(name);
    if (!view) return;
    try {
      this.#book.set(view.uuid, toDevice(view, this.#identity.of(name)));
    } catch (error) {
      // A driver may answer with what no message can carry; the health of the GPU is served all the same.
      this.#log.error({ gpu: name, err: error }, 'the record of the device cannot be shown');
    }
  }

  #write(name: string): void {
    clearTimeout(this.#refused.get(name)?.timer);
    const view = this.#views.get(name);
    const wanted = this.#statuses.get(name);
    if (!view || !wanted) return;
    this.#cache.hold(name);
    const current = this.#cache.peek().get(name)?.gpu;
    const { status, withheld } = withoutForeign(wanted, current);
    Promise.all(writesOf(view, status, current).map((write) => this.#cache.write(write))).then(
      () => this.#written(name, withheld),
      (error: unknown) => this.#failed(name, error),
    );
  }

  #written(name: string, withheld: string | undefined): void {
    const uuid = this.#cache.peek().get(name)?.gpu.uuid;
    // A client's own `create` may have been accepted just before this one.
    const wrong = uuid === this.#views.get(name)?.uuid ? undefined : `a client created it with the uuid ${uuid}`;
    const cause = withheld ?? wrong;
    if (cause === undefined) this.#settled(name);
    else this.#retry(name, cause);
  }

  #failed(name: string, error: unknown): void {
    // Deleted by a write that was accepted before this one: the next attempt creates it again.
    if (error instanceof CacheError && error.refusal === 'not-found') this.#write(name);
    else this.#retry(name, error instanceof Error ? error.message : String(error));
  }

  #settled(name: string): void {
    clearTimeout(this.#refused.get(name)?.timer);
    this.#refused.delete(name);
  }

  /** Says why once, however often it is tried. */
  #retry(name: string, cause: string): void {
    if (!this.#views.has(name)) return;
    const refused = this.#refused.get(name) ?? { cause: '', backoff: new Backoff(retryBackoff) };
    this.#refused.set(name, refused);
    if (refused.cause !== cause) {
      this.#log.warn({ gpu: name, reason: cause }, 'the state of the GPU was refused; it is written again');
    }
    refused.cause = cause;
    clearTimeout(refused.timer);
    refused.timer = setTimeout(() => this.#write(name), refused.backoff.next()).unref();
  }

  #delete(name: string): void {
    this.#cache.release(name);
    this.#cache.write({ kind: 'delete', provider: agentProvider, name }).catch((error: unknown) => {
      // Somebody else may have deleted it already.
      if (!(error instanceof CacheError) || error.refusal !== 'not-found') {
        this.#log.error({ gpu: name, err: error }, 'the GPU could not be removed');
      }
    });
  }
}

/** All are accepted in one turn and stored as one. A `create` changes nothing if a client's own has come first. */
function writesOf({ uuid }: DeviceView, status: ReportedStatus, current: CachedGpu | undefined): Write[] {
  const about = { provider: agentProvider, name: uuid };
  const writes: Write[] = [{ kind: 'status', ...about, status, expectedVersion: 0n }];
  if (!current) writes.unshift({ kind: 'create', ...about, namespace: '', uuid, status });
  else if (current.uuid !== uuid) writes.unshift({ kind: 'update', ...about, uuid, expectedVersion: 0n });
  return writes;
}

/** The status without the conditions that belong to others, for with one of them the cache would refuse it whole. */
function withoutForeign(status: ReportedStatus, current: CachedGpu | undefined) {
  const foreign = (current?.conditions ?? []).filter(
    (one) => isForeign(one) && status.conditions.some(({ type }) => type === one.type),
  );
  const conditions = status.conditions.filter(({ type }) => !foreign.some((one) => one.type === type));
  const owners = foreign.map(
    ({ type, provider }) => `condition ${type} of ${current?.name} belongs to provider ${provider}`,
  );
  return { status: { ...status, conditions }, withheld: owners.length > 0 ? owners.join('; ') : undefined };
}

function isForeign(condition: OwnedCondition): boolean {
  return condition.provider !== agentProvider && ownerIsLive(condition);
}
