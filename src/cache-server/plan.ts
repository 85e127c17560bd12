// What a write makes of a GPU: the rules of versions, ownership and merging, as one pure function.
import { CacheError } from './errors.ts';
import { type CachedGpu, notReconfirmed, type OwnedCondition, providerSilent } from './gpu.ts';
import { limits } from './limits.ts';
import { agentProvider, type ReportedStatus, type Write } from './write.ts';

/** The GPU after a write; its version is the cache's to give. `undefined` where the write deletes it. */
export type Planned =
  | { readonly change: 'ADDED' | 'MODIFIED'; readonly gpu: CachedGpu }
  | { readonly change: 'DELETED'; readonly gpu: CachedGpu }
  /** Nothing that a client sees changes; the GPU may still have been reconfirmed. */
  | { readonly change: 'none'; readonly gpu: CachedGpu };

/** What a plan depends on besides the GPU. */
export interface Circumstances {
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Whether the node's agent sees this GPU. */
  readonly held: boolean;
  /** The provider that has registered a condition type and beats, by type. */
  readonly claims: ReadonlyMap<string, string>;
}

/** Plans a write against the GPU as it is; throws a {@link CacheError} when the write is refused. */
export function plan(write: Write, current: CachedGpu | undefined, circumstances: Circumstances): Planned {
  const { now, held } = circumstances;
  if (write.kind === 'create') return current ? { change: 'none', gpu: current } : planCreate(write, circumstances);
  if (!current) throw new CacheError('not-found', `no GPU is named ${JSON.stringify(write.name)}`);
  switch (write.kind) {
    case 'update':
      expectVersion(write.expectedVersion, current);
      if (held && write.provider !== agentProvider && write.uuid !== current.uuid) {
        throw new CacheError('failed-precondition', `the UUID of ${current.name} is what the agent on this node sees`);
      }
      return write.uuid === current.uuid
        ? { change: 'none', gpu: current }
        : { change: 'MODIFIED', gpu: { ...current, uuid: write.uuid } };
    case 'status':
      expectVersion(write.expectedVersion, current);
      return planStatus(current, write.provider, write.status, circumstances);
    case 'delete':
      if (held) {
        throw new CacheError('failed-precondition', `${current.name} is still seen by the agent on this node`);
      }
      return { change: 'DELETED', gpu: current };
    case 'expire':
      return planExpire(current, write, now);
  }
}

function planCreate(write: Write & { kind: 'create' }, circumstances: Circumstances): Planned {
  const { name, namespace, uuid } = write;
  const bare: CachedGpu = { name, namespace, uuid, version: 0, conditions: [], actions: {} };
  const gpu = write.status ? planStatus(bare, write.provider, write.status, circumstances).gpu : bare;
  return { change: 'ADDED', gpu };
}

function expectVersion(expected: bigint, current: CachedGpu): void {
  if (expected === 0n || expected === BigInt(current.version)) return;
  throw new CacheError(
    'conflict',
    `${current.name} is at version ${current.version}, not ${expected}: read it again and repeat the change`,
  );
}

/** Replaces the conditions and the action of one provider; what others reported stays. */
function planStatus(
  current: CachedGpu,
  provider: string,
  status: ReportedStatus,
  { now, claims }: Circumstances,
): Planned {
  const earlier = new Map(current.conditions.map((condition) => [condition.type, condition]));
  const own = status.conditions.map((reported): OwnedCondition => {
    const before = earlier.get(reported.type);
    expectMayReport(reported.type, provider, before, current.name, claims);
    const { lastTransitionMs, ...rest } = reported;
    const moved = before?.status !== reported.status;
    return {
      ...rest,
      provider,
      confirmed: true,
      lastTransitionMs: before && !moved ? before.lastTransitionMs : (lastTransitionMs ?? now),
    };
  });
  const reportedTypes = new Set(own.map(({ type }) => type));
  const others = current.conditions.filter((one) => one.provider !== provider && !reportedTypes.has(one.type));
  const conditions = [...others, ...own].sort((a, b) => (a.type < b.type ? -1 : 1));
  const { [provider]: _earlier, ...otherActions } = current.actions;
  const actions =
    status.recommendedAction === '' ? otherActions : { ...otherActions, [provider]: status.recommendedAction };
  const gpu = { ...current, conditions, actions };
  expectFewProviders(gpu);
  return { change: showsTheSame(current, gpu) ? 'none' : 'MODIFIED', gpu };
}

/** A condition is its owner's while that one stands by it; else its type may be claimed, which does not bind the agent. */
function expectMayReport(
  type: string,
  provider: string,
  before: OwnedCondition | undefined,
  gpu: string,
  claims: Circumstances['claims'],
): void {
  if (before && ownerIsLive(before)) {
    if (before.provider === provider) return;
    throw new CacheError('failed-precondition', `condition ${type} of ${gpu} belongs to provider ${before.provider}`);
  }
  const claimant = claims.get(type);
  if (claimant === undefined || claimant === provider || provider === agentProvider) return;
  throw new CacheError('failed-precondition', `condition type ${type} is registered by provider ${claimant}`);
}

function expectFewProviders({ name, conditions, actions }: CachedGpu): void {
  const providers = new Set(Object.keys(actions));
  for (const { provider } of conditions) providers.add(provider);
  if (providers.size <= limits.providers) return;
  throw new CacheError('exhausted', `${limits.providers} providers report on ${name} already, which is the limit`);
}

function planExpire(current: CachedGpu, write: Write & { kind: 'expire' }, now: number): Planned {
  const { cause, terse } = write;
  const isMeant = (one: OwnedCondition) => (cause === undefined ? !one.confirmed : one.provider === write.provider);
  const conditions = current.conditions.map((one): OwnedCondition => {
    if (!isMeant(one) || !ownerIsLive(one)) return one;
    const fate = `${one.provider} ${cause ?? 'has not reported since the daemon restarted'}`;
    return {
      ...one,
      status: 'Unknown',
      reason: cause === undefined ? notReconfirmed : providerSilent,
      message: terse ? '' : `${fate}; before, ${one.type} was ${one.status}`,
      confirmed: false,
      lastTransitionMs: one.status === 'Unknown' ? one.lastTransitionMs : now,
    };
  });
  const gone = new Set(current.conditions.filter(isMeant).map(({ provider }) => provider));
  if (cause !== undefined) gone.add(write.provider);
  const actions = Object.fromEntries(Object.entries(current.actions).filter(([provider]) => !gone.has(provider)));
  const gpu = { ...current, conditions, actions };
  return { change: showsTheSame(current, gpu) ? 'none' : 'MODIFIED', gpu };
}

/** A provider that has gone silent, or did not come back after a restart, no longer owns its conditions. */
export function ownerIsLive({ confirmed, status, reason }: OwnedCondition): boolean {
  return confirmed || status !== 'Unknown' || (reason !== notReconfirmed && reason !== providerSilent);
}

/** Whether neither a client nor the ownership rules can tell the two apart, confirmation aside. */
function showsTheSame(a: CachedGpu, b: CachedGpu): boolean {
  return (
    a.uuid === b.uuid &&
    a.conditions.length === b.conditions.length &&
    a.conditions.every((one, i) => sameCondition(one, b.conditions[i])) &&
    sameActions(a.actions, b.actions)
  );
}

function sameCondition(a: OwnedCondition, b: OwnedCondition | undefined): boolean {
  return (
    a.type === b?.type &&
    a.status === b.status &&
    a.reason === b.reason &&
    a.message === b.message &&
    a.provider === b.provider
  );
}

function sameActions(a: CachedGpu['actions'], b: CachedGpu['actions']): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}
