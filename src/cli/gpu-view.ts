// One GPU as the command line shows it: NVIDIA's object, its health, and the hardware record, in one.
import { type GpuHealth, gpuHealth, healthCause } from '../daemon/health.ts';
import {
  type Device,
  type Evidence,
  Evidence_Verdict,
  type Process,
  Process_Kind,
} from '../wire/gpubroker/device/v1/device_details.ts';
import type { Condition, Gpu } from '../wire/nvidia/device/v1alpha1/gpu.ts';
import type { NodeClient } from './node-client.ts';

/** Also what `--json` prints. */
export interface GpuView {
  readonly name: string;
  readonly uuid: string;
  readonly resourceVersion: bigint;
  readonly health: GpuHealth;
  /** The condition that keeps it from being healthy, as far as that can be told without the node's polarities. */
  readonly cause?: Condition;
  readonly recommendedAction: string;
  readonly conditions: readonly Condition[];
  readonly device?: DeviceView;
}

/** The hardware record with words for numbers. */
export type DeviceView = Omit<Device, 'processes' | 'evidence'> & {
  readonly processes: readonly ProcessView[];
  readonly evidence: readonly EvidenceView[];
};

type EvidenceView = Omit<Evidence, 'verdict'> & { readonly verdict: string };

type ProcessView = Omit<Process, 'kind'> & { readonly kind: 'compute' | 'graphics' | 'unknown' };

/** All GPUs, and the version of the cache at which they were listed. */
export async function listGpuViews(client: NodeClient): Promise<{ resourceVersion: bigint; gpus: GpuView[] }> {
  const [list, devices] = await Promise.all([client.listGpus(), client.listDevices()]);
  const byName = new Map(devices.map((device) => [device.name, device]));
  return {
    resourceVersion: BigInt(list.metadata?.resourceVersion || 0),
    gpus: list.items.map((gpu) => viewGpu(gpu, byName.get(nameOf(gpu)))),
  };
}

/** @throws CodedError if there is no such GPU. */
export async function getGpuView(client: NodeClient, name: string): Promise<GpuView> {
  const [gpu, device] = await Promise.all([client.getGpu(name), client.getDevice(name)]);
  return viewGpu(gpu, device);
}

export function viewGpu(gpu: Gpu, device?: Device): GpuView {
  const conditions = gpu.status?.conditions ?? [];
  const health = healthOf(conditions, device);
  const cause = healthCause(conditions, health);
  return {
    name: nameOf(gpu),
    uuid: gpu.spec?.uuid ?? '',
    resourceVersion: gpu.resourceVersion || BigInt(gpu.metadata?.resourceVersion || 0),
    health,
    ...(cause && { cause }),
    recommendedAction: gpu.status?.recommendedAction ?? '',
    conditions,
    ...(device && {
      device: {
        ...device,
        processes: device.processes.map(viewProcess),
        evidence: device.evidence.map((one) => ({ ...one, verdict: verdicts.get(one.verdict) ?? 'unknown' })),
      },
    }),
  };
}

const verdicts: ReadonlyMap<Evidence_Verdict, string> = new Map([
  [Evidence_Verdict.AGREES, 'agrees'],
  [Evidence_Verdict.DISAGREES, 'disagrees'],
]);

/** The daemon's own judgement, made with its polarities; another server of NVIDIA's API does not give one. */
function healthOf(conditions: readonly Condition[], device: Device | undefined): GpuHealth {
  const given = device?.health;
  return given === 'healthy' || given === 'unhealthy' || given === 'unknown' ? given : gpuHealth(conditions);
}

/** Why the GPU is not healthy, in a word or two; empty when it is. `ConditionPolarity`: what the node was set to. */
export function reasonOf({ cause, health, conditions }: GpuView): string {
  if (cause) return cause.reason || `${cause.type}=${cause.status}`;
  if (health === 'healthy') return '';
  const hasReady = conditions.some(({ type }) => type === 'Ready');
  return health === 'unknown' && !hasReady ? 'NoReadyCondition' : 'ConditionPolarity';
}

function nameOf(gpu: Gpu): string {
  return gpu.metadata?.name ?? '';
}

function viewProcess(process: Process): ProcessView {
  const kinds = { [Process_Kind.COMPUTE]: 'compute', [Process_Kind.GRAPHICS]: 'graphics' } as const;
  return { ...process, kind: process.kind === 1 || process.kind === 2 ? kinds[process.kind] : 'unknown' };
}
