// What a provider promises, and the reading of it from a client's request.
import type { RegisterRequest } from '../../wire/gpubroker/device/v1/provider_registry.ts';
import { invalidField } from '../errors.ts';
import { limits } from '../limits.ts';
import { defaultProvider, readName } from '../write.ts';

/** A provider that is to be missed when it is silent. */
export interface Registration {
  readonly id: string;
  /** The condition types that are its own on all GPUs while it beats. */
  readonly types: readonly string[];
  readonly intervalMs: number;
}

/** Where registrations are kept over a restart; never rejects, and bounds its own time. */
export interface RegistrationStore {
  keepRegistration(registration: Registration): Promise<void> | undefined;
  forgetRegistration(id: string): Promise<void> | undefined;
}

const shortestIntervalMs = 100;
const longestIntervalMs = 600_000;

/** Reads a RegisterRequest; throws an `invalid-argument` CacheError. */
export function readRegistration(request: RegisterRequest, id: string, usualIntervalMs: number): Registration {
  const { conditionTypes, heartbeatIntervalMillis } = request;
  if (conditionTypes.length > limits.conditionsPerProvider) {
    throw invalidField('condition_types', conditionTypes.length, `at most ${limits.conditionsPerProvider} are`);
  }
  const types = conditionTypes.map((type, i) => {
    if (conditionTypes.indexOf(type) !== i) {
      throw invalidField(`condition_types[${i}]`, type, 'each type may stand once');
    }
    return readName(type, `condition_types[${i}]`);
  });
  return { id, types, intervalMs: readInterval(heartbeatIntervalMillis, usualIntervalMs) };
}

function readInterval(millis: number, usualMs: number): number {
  if (millis === 0) return usualMs;
  if (millis >= shortestIntervalMs && millis <= longestIntervalMs) return millis;
  const allowed = `${shortestIntervalMs} to ${longestIntervalMs}, or 0 for the daemon's own interval, is`;
  throw invalidField('heartbeat_interval_millis', millis, allowed);
}

/** Whoever registers needs a name of its own: the one of those that give none is everybody's. */
export function expectOwnName(id: string): string {
  if (id !== defaultProvider) return id;
  throw invalidField('gpubroker-provider-id', id, 'a name of your own is, for this one is of all who give none');
}

/** Whether two registrations say the same. */
export function sameRegistration(a: Registration, b: Registration): boolean {
  return (
    a.id === b.id &&
    a.intervalMs === b.intervalMs &&
    a.types.length === b.types.length &&
    a.types.every((type, i) => type === b.types[i])
  );
}
