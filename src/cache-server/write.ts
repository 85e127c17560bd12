// A write to the cache, and the reading of one from a client's request: every field is checked here and nowhere else.
import type {
  Condition,
  CreateGpuRequest,
  DeleteGpuRequest,
  GpuStatus,
  UpdateGpuRequest,
  UpdateGpuStatusRequest,
} from '../wire/nvidia/device/v1alpha1/gpu.ts';
import { invalidField } from './errors.ts';
import type { ConditionStatus } from './gpu.ts';
import { limits } from './limits.ts';

/** A condition as a provider reports it. */
export interface ReportedCondition {
  readonly type: string;
  readonly status: ConditionStatus;
  readonly reason: string;
  readonly message: string;
  /** Milliseconds since the epoch; the cache's own clock counts where it is absent. */
  readonly lastTransitionMs?: number;
}

/** A provider's part of a GPU's status; what it reported before and does not repeat here goes. */
export interface ReportedStatus {
  readonly conditions: readonly ReportedCondition[];
  /** Empty for none. */
  readonly recommendedAction: string;
}

/** A change that somebody asks for. `expectedVersion` 0 means any. */
export type Write =
  | {
      readonly kind: 'create';
      readonly provider: string;
      readonly name: string;
      readonly namespace: string;
      readonly uuid: string;
      readonly status?: ReportedStatus;
    }
  | {
      readonly kind: 'update';
      readonly provider: string;
      readonly name: string;
      readonly uuid: string;
      readonly expectedVersion: bigint;
    }
  | {
      readonly kind: 'status';
      readonly provider: string;
      readonly name: string;
      readonly status: ReportedStatus;
      readonly expectedVersion: bigint;
    }
  | { readonly kind: 'delete'; readonly provider: string; readonly name: string }
  /** Turns conditions that nobody stands by to Unknown. */
  | {
      readonly kind: 'expire';
      readonly provider: string;
      readonly name: string;
      /** What has become of the provider, whose conditions these are; absent: those not reconfirmed since the restart. */
      readonly cause?: string;
      /** Leaves out the messages. */
      readonly terse?: boolean;
    };

/** The provider of a request without a provider's id. */
export const defaultProvider = 'default';
/** The provider that the node's own agent is; nobody may claim this id on the socket. */
export const agentProvider = 'gpubroker-agent';

/** What a protobuf Timestamp can say. Go's zero time is the earliest. */
const earliestMs = Date.parse('0001-01-01T00:00:00Z');
const latestMs = Date.parse('9999-12-31T23:59:59.999Z');

/** Reads a CreateGpuRequest; throws an `invalid-argument` CacheError. */
export function readCreate({ gpu }: CreateGpuRequest, provider: string): Write {
  if (!gpu) throw invalidField('gpu', undefined, 'it is required');
  const write = {
    kind: 'create' as const,
    provider,
    name: readName(gpu.metadata?.name, 'gpu.metadata.name'),
    namespace: readText(gpu.metadata?.namespace ?? '', 'gpu.metadata.namespace', limits.nameLength),
    uuid: readName(gpu.spec?.uuid, 'gpu.spec.uuid'),
  };
  return gpu.status ? { ...write, status: readStatus(gpu.status, 'gpu.status') } : write;
}

/** Reads an UpdateGpuRequest; throws an `invalid-argument` CacheError. */
export function readUpdate({ gpu }: UpdateGpuRequest, provider: string): Write {
  if (!gpu) throw invalidField('gpu', undefined, 'it is required');
  return {
    kind: 'update',
    provider,
    name: readName(gpu.metadata?.name, 'gpu.metadata.name'),
    uuid: readName(gpu.spec?.uuid, 'gpu.spec.uuid'),
    expectedVersion:
      gpu.resourceVersion === 0n
        ? readVersion(gpu.metadata?.resourceVersion ?? '', 'gpu.metadata.resource_version')
        : notNegative(gpu.resourceVersion, 'gpu.resource_version'),
  };
}

/** Reads an UpdateGpuStatusRequest; throws an `invalid-argument` CacheError. */
export function readStatusUpdate(request: UpdateGpuStatusRequest, provider: string): Write {
  if (!request.status) throw invalidField('status', undefined, 'it is required');
  return {
    kind: 'status',
    provider,
    name: readName(request.name, 'name'),
    status: readStatus(request.status, 'status'),
    expectedVersion: notNegative(request.resourceVersion, 'resource_version'),
  };
}

/** Reads a DeleteGpuRequest; throws an `invalid-argument` CacheError. */
export function readDelete(request: DeleteGpuRequest, provider: string): Write {
  return { kind: 'delete', provider, name: readName(request.name, 'name') };
}

/** Reads a name: required, bounded, without spaces or control characters. */
export function readName(name: string | undefined, field: string): string {
  if (!name) throw invalidField(field, name, 'it is required');
  if (name.length > limits.nameLength || !/^[!-~]+$/.test(name)) {
    throw invalidField(field, name, `at most ${limits.nameLength} visible ASCII characters are`);
  }
  return name;
}

/** Reads a version given in decimal; 0 when it is empty. */
export function readVersion(version: string, field: string): bigint {
  if (version === '') return 0n;
  if (!/^\d{1,19}$/.test(version)) throw invalidField(field, version, 'a decimal number or nothing is');
  return BigInt(version);
}

/** Reads the id by which a provider names itself. */
export function readProvider(id: string): string {
  if (id.length > limits.providerIdLength || !/^[A-Za-z0-9][\w.:/-]*$/.test(id)) {
    throw invalidField(
      'gpubroker-provider-id',
      id,
      `at most ${limits.providerIdLength} letters, digits and . : / _ - are, a letter or digit first`,
    );
  }
  if (id === agentProvider) throw invalidField('gpubroker-provider-id', id, 'it belongs to the agent on this node');
  return id;
}

function notNegative(version: bigint, field: string): bigint {
  if (version < 0n) throw invalidField(field, version, '0 (any) or the current version is');
  return version;
}

function readStatus(status: GpuStatus, field: string): ReportedStatus {
  if (status.conditions.length > limits.conditionsPerProvider) {
    throw invalidField(`${field}.conditions`, status.conditions.length, `at most ${limits.conditionsPerProvider} are`);
  }
  const conditions = status.conditions.map((one, i) => readCondition(one, `${field}.conditions[${i}]`));
  conditions.forEach(({ type }, i) => {
    if (conditions.findIndex((other) => other.type === type) !== i) {
      throw invalidField(`${field}.conditions[${i}].type`, type, 'each type may stand once');
    }
  });
  return {
    conditions,
    recommendedAction: readText(status.recommendedAction, `${field}.recommended_action`, limits.nameLength),
  };
}

function readCondition(condition: Condition, field: string): ReportedCondition {
  const { lastTransitionTime } = condition;
  const read = {
    type: readName(condition.type, `${field}.type`),
    status: readConditionStatus(condition.status, `${field}.status`),
    reason: readText(condition.reason, `${field}.reason`, limits.reasonLength),
    message: readText(condition.message, `${field}.message`, limits.messageLength),
  };
  if (!lastTransitionTime) return read;
  const lastTransitionMs = lastTransitionTime.getTime();
  if (!(lastTransitionMs >= earliestMs && lastTransitionMs <= latestMs)) {
    throw invalidField(`${field}.last_transition_time`, 'out of range', 'a time from the year 1 to the year 9999 is');
  }
  // The generated code gives a fraction before 1970 negative nanoseconds, which a Timestamp must not have.
  return {
    ...read,
    lastTransitionMs: lastTransitionMs < 0 ? Math.floor(lastTransitionMs / 1000) * 1000 : lastTransitionMs,
  };
}

function readConditionStatus(status: string, field: string): ConditionStatus {
  if (status === 'True' || status === 'False' || status === 'Unknown') return status;
  throw invalidField(field, status, '"True", "False" or "Unknown" is');
}

function readText(text: string, field: string, most: number): string {
  if (text.length > most) throw invalidField(field, text, `at most ${most} characters are`);
  return text;
}
