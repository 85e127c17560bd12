// What a node says about a GPU, as the columns of `gpus` and `gpu_conditions`.
//
// Nodes are not trusted: texts are trimmed and bounded, what PostgreSQL cannot store is replaced, and a number that no
// column holds counts as not reported. What the driver does not report stays null.
import { hash } from 'node:crypto';
import { type GpuHealth, healthCause } from '../../../daemon/health.ts';
import type { Allocation, Device } from '../../../wire/gpubroker/device/v1/device_details.ts';
import type { Gpu } from '../../../wire/gpubroker/node/v1/node_link.ts';
import type { Condition } from '../../../wire/nvidia/device/v1alpha1/gpu.ts';
import { invalid } from '../../refusal.ts';
import type { PodAllocation } from '../../storage/schema.ts';
import { type Classification, migProfileOf, type ReportedGpu } from '../products/taxonomy.ts';
import { hardwareAttributes, type JsonValue } from './gpu-attributes.ts';
import { storableCount, storableText, storableTime } from './storable.ts';

/** The columns of a GPU that its node alone decides. */
export interface ReportedColumns {
  readonly name: string;
  /** Empty where the driver gives none. */
  readonly uuid: string;
  readonly parent: string | null;
  readonly source: string | null;
  readonly vendor: string | null;
  readonly model: string | null;
  readonly architecture: string | null;
  readonly serial: string | null;
  readonly memory_bytes: number | null;
  readonly compute_capability: string | null;
  readonly driver_version: string | null;
  readonly cuda_version: string | null;
  readonly vbios_version: string | null;
  readonly pci_bus_id: string | null;
  readonly numa_node: number | null;
  readonly multiprocessors: number | null;
  readonly ecc: boolean | null;
  readonly mig: boolean | null;
  readonly health: GpuHealth;
  readonly stale: boolean;
  readonly recommended_action: string;
  readonly compute_processes: number | null;
  readonly pod_allocation: PodAllocation | null;
  readonly attributes: Record<string, JsonValue>;
}

/** One condition as it is stored. */
export interface ConditionRecord {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  /** ISO 8601, or null where the node gave none that can be stored. */
  readonly last_transition_at: string | null;
}

/** A GPU as its node reports it. */
export interface GpuRecord {
  readonly columns: ReportedColumns;
  readonly conditions: readonly ConditionRecord[];
  /** Of what counts as a change: without what moves by itself. */
  readonly fingerprint: string;
  /** What its product is looked up by. */
  readonly classifiable: Omit<ReportedGpu, 'simulated'>;
}

/** A record with what the broker adds. */
export interface ClassifiedGpu {
  readonly record: GpuRecord;
  readonly simulated: boolean;
  readonly product: string | null;
  readonly form_factor: string | null;
  readonly interconnect: string | null;
  /** SHA-256 in hexadecimal. */
  readonly digest: string;
}

/** Characters of a GPU's name and of other short texts. */
const nameLength = 253;
const maxConditions = 256;
const messageLength = 32_768;

/**
 * The record of a GPU.
 * @param field where in the message it stands, for the refusal
 * @throws Refusal `invalid` for a GPU without a name.
 */
export function gpuRecord(gpu: Gpu, field: string): GpuRecord {
  const { device } = gpu;
  if (!device) throw invalid(`${field}.device`, null, 'a device');
  const name = gpuName(device.name, `${field}.device.name`);
  const conditions = conditionRecords(gpu.conditions);
  const columns = reportedColumns(gpu, device, name);
  const { attributes, moving } = hardwareAttributes(device);
  const fingerprint = JSON.stringify([{ ...columns, attributes }, conditions]);
  const { pci } = device;
  return {
    columns: { ...columns, attributes: { ...attributes, ...moving } },
    conditions,
    fingerprint,
    classifiable: {
      vendor: columns.vendor ?? undefined,
      model: columns.model ?? undefined,
      pciDeviceId: pci?.deviceId,
      pciSubsystemId: pci?.subsystemId,
      memoryBytes: columns.memory_bytes ?? undefined,
      migProfile: columns.parent === null ? undefined : migProfileOf(columns.model ?? undefined),
      nvlinks: device.nvlinks.length,
    },
  };
}

/**
 * The name of a GPU as it is stored.
 * @throws Refusal `invalid` where it is empty or too long: shortened, two names could become one.
 */
export function gpuName(name: string, field: string): string {
  const text = storableText(name, nameLength + 1);
  if (text !== null && text.length <= nameLength) return text;
  throw invalid(field, name.slice(0, 64), `the name of a GPU, 1 to ${nameLength} characters`);
}

/** Completes a record. The product counts for the digest: a new table or mapping takes effect with the next report. */
export function classifiedGpu(
  record: GpuRecord,
  nodeIsSimulated: boolean,
  classify: (gpu: ReportedGpu) => Classification,
): ClassifiedGpu {
  const simulated = nodeIsSimulated || record.columns.source === 'simulated';
  const { product, formFactor, interconnect } = classify({ ...record.classifiable, simulated });
  const digest = hash(
    'sha256',
    `${record.fingerprint}\n${JSON.stringify([simulated, product, formFactor, interconnect])}`,
  );
  return { record, simulated, product, form_factor: formFactor, interconnect, digest };
}

/** Why a GPU is not healthy, for people. */
export function unhealthyBecause(record: GpuRecord): string {
  const cause = healthCause(record.conditions, record.columns.health);
  if (!cause) return 'its node says so';
  return `${cause.type} is ${cause.status}: ${[cause.reason, cause.message].filter(Boolean).join(', ').slice(0, 500)}`;
}

/** Without `attributes`, which the caller adds. */
function reportedColumns(gpu: Gpu, device: Device, name: string): Omit<ReportedColumns, 'attributes'> {
  const short = (text: string | undefined) => storableText(text, nameLength);
  return {
    name,
    uuid: short(device.uuid) ?? '',
    parent: short(device.parent),
    source: short(device.source),
    vendor: short(device.vendor),
    model: short(device.model),
    architecture: short(device.architecture),
    serial: short(device.serial),
    memory_bytes: storableCount(device.memory?.totalBytes),
    compute_capability: short(device.computeCapability),
    driver_version: short(device.driverVersion),
    cuda_version: short(device.cudaVersion),
    vbios_version: short(device.vbiosVersion),
    pci_bus_id: short(device.pci?.busId),
    numa_node: storableCount(device.numaNode, 2 ** 31 - 1),
    multiprocessors: storableCount(device.multiprocessors, 2 ** 31 - 1),
    ecc: device.ecc?.enabled ?? null,
    mig: device.mig?.enabled ?? null,
    health: healthOf(device.health),
    stale: device.stale,
    recommended_action: short(gpu.recommendedAction) ?? '',
    compute_processes: storableCount(gpu.computeProcesses, 2 ** 31 - 1),
    pod_allocation: device.allocation ? podAllocation(device.allocation) : null,
  };
}

/** Which pods hold it is nobody's business here. */
function podAllocation({ holders, unknown }: Allocation): PodAllocation {
  return holders.length > 0 ? 'held' : unknown ? 'unknown' : 'none';
}

/** A word that is not one of ours says nothing. */
function healthOf(word: string): GpuHealth {
  return word === 'healthy' || word === 'unhealthy' ? word : 'unknown';
}

/** Of several with one type the last counts. Ordered by type, so that their order changes no digest. */
function conditionRecords(conditions: readonly Condition[]): ConditionRecord[] {
  const byType = new Map<string, ConditionRecord>();
  for (const condition of conditions.slice(0, maxConditions)) {
    const type = storableText(condition.type, nameLength);
    if (type === null) continue;
    byType.set(type, {
      type,
      status: storableText(condition.status, nameLength) ?? 'Unknown',
      reason: storableText(condition.reason, 1024) ?? '',
      message: storableText(condition.message, messageLength) ?? '',
      last_transition_at: storableTime(condition.lastTransitionTime),
    });
  }
  return [...byType.values()].sort((a, b) => (a.type < b.type ? -1 : 1));
}
