// One GPU in the cache: what each provider reports of it, merged into what is served. Values here never change;
// a change makes a new one.
import type { Gpu } from '../wire/nvidia/device/v1alpha1/gpu.ts';

export type ConditionStatus = 'True' | 'False' | 'Unknown';

/** A condition, and who reported it. */
export interface OwnedCondition {
  readonly type: string;
  readonly status: ConditionStatus;
  /** Milliseconds since the epoch; moves only with the status. */
  readonly lastTransitionMs: number;
  readonly reason: string;
  readonly message: string;
  readonly provider: string;
  /** False from a restart, or the provider's silence, until the provider has written again. */
  readonly confirmed: boolean;
}

/** A GPU as it is at one version of the cache. */
export interface CachedGpu {
  /** As served; the key of the cache is its lower case. */
  readonly name: string;
  readonly namespace: string;
  readonly uuid: string;
  readonly version: number;
  /** Ordered by type. */
  readonly conditions: readonly OwnedCondition[];
  /** The action that each provider recommends; providers that recommend none are absent. */
  readonly actions: Readonly<Record<string, string>>;
}

/** The reason of conditions whose provider did not come back in time after a restart. */
export const notReconfirmed = 'NotReconfirmed';
/** The reason of conditions whose provider has gone silent, or has unregistered. */
export const providerSilent = 'ProviderSilent';

/** Least severe first. */
const actionsBySeverity = [
  'RestartApp',
  'ReportIssue',
  'RunExtendedUtilityDiagnostics',
  'RunFieldDiagnostics',
  'ResetGPU',
  'ResetFabric',
  'RestartVM',
  'RebootNode',
];

/** The most severe of several recommended actions, the first of equals; one that is not in the list above counts least. */
export function mostSevereAction(actions: Iterable<string>): string {
  let worst = '';
  for (const action of actions) {
    if (worst === '' || actionsBySeverity.indexOf(action) > actionsBySeverity.indexOf(worst)) worst = action;
  }
  return worst;
}

/** Whether a condition of this GPU waits to be reported again, after a restart or a silence. */
export function isStale(gpu: CachedGpu): boolean {
  return gpu.conditions.some((condition) => !condition.confirmed);
}

/** The message that clients of GpuService read. */
export function toWire(gpu: CachedGpu): Gpu {
  return {
    metadata: { name: gpu.name, namespace: gpu.namespace, resourceVersion: String(gpu.version) },
    spec: { uuid: gpu.uuid },
    status: {
      conditions: gpu.conditions.map(({ type, status, lastTransitionMs, reason, message }) => ({
        type,
        status,
        lastTransitionTime: new Date(lastTransitionMs),
        reason,
        message,
      })),
      recommendedAction: mostSevereAction(Object.values(gpu.actions)),
    },
    resourceVersion: BigInt(gpu.version),
  };
}
