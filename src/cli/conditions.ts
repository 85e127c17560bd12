// `gpubroker conditions list`, `set` and `clear`: what is said of GPUs, and by whom.
import { CodedError } from '../daemon/errors.ts';
import type { GetReportsResponse, Report } from '../wire/gpubroker/device/v1/provider_registry.ts';
import type { GpuStatus } from '../wire/nvidia/device/v1alpha1/gpu.ts';
import { gpuRestless } from './errors.ts';
import { viewGpu } from './gpu-view.ts';
import type { NodeClient } from './node-client.ts';
import { formatTable, oneLine, print, printJson, remark } from './output.ts';
import { absent } from './quantities.ts';

/** How often a change is tried while others change the GPU. */
const attempts = 10;

/** A condition to set. */
export interface Reported {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  /** Absent: the provider's recommended action stays. */
  readonly action?: string;
}

/** Prints every condition of one GPU, or of all, with its provider. */
export async function listConditions(client: NodeClient, gpu: string | undefined, json: boolean): Promise<void> {
  const reports = gpu === undefined ? await reportsOnAll(client) : [await client.getReports(gpu)];
  const conditions = reports.flatMap(conditionsOf);
  if (json) printJson({ conditions, recommendedActions: reports.flatMap(actionsOf) });
  else if (conditions.length === 0) remark('Nobody reports a condition.');
  else print(formatConditions(conditions));
}

/** Sets one condition of a provider; what it reports besides on that GPU stays. */
export async function setCondition(
  client: NodeClient,
  gpu: string,
  provider: string,
  { action, type, status, reason, message }: Reported,
  json: boolean,
): Promise<void> {
  const condition = { type, status, reason, message, lastTransitionTime: undefined };
  const written = await change(client, gpu, provider, ({ conditions, recommendedAction }) => ({
    conditions: [...conditions.filter((one) => one.type !== type), condition],
    recommendedAction: action ?? recommendedAction,
  }));
  if (json) printJson(written);
  else print(oneLine(`${type} of ${written.name} is ${status}, says ${provider}`));
}

/** Takes back one condition of a provider on a GPU, or all; done also where there is none. */
export async function clearConditions(
  client: NodeClient,
  gpu: string,
  provider: string,
  type: string | undefined,
  json: boolean,
): Promise<void> {
  const written = await change(client, gpu, provider, ({ conditions, recommendedAction }) => {
    const left = type === undefined ? [] : conditions.filter((one) => one.type !== type);
    return { conditions: left, recommendedAction: left.length > 0 ? recommendedAction : '' };
  });
  if (json) printJson(written);
  else
    print(oneLine(`${provider} says nothing of ${type ?? written.name} ${type ? `of ${written.name} ` : ''}any more`));
}

/** Reads what the provider reports, and writes what is made of it if nobody has changed the GPU meanwhile. */
async function change(client: NodeClient, name: string, provider: string, make: (own: GpuStatus) => GpuStatus) {
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    const { reports, resourceVersion } = await client.getReports(name);
    const own = reports.find((report) => report.provider === provider) ?? { conditions: [], recommendedAction: '' };
    const gpu = await client.replaceStatus(provider, name, make(own), resourceVersion);
    if (gpu) return viewGpu(gpu);
  }
  throw gpuRestless(name, attempts);
}

/** One GPU after the other: an answer is bounded by what one GPU may hold. */
async function reportsOnAll(client: NodeClient): Promise<GetReportsResponse[]> {
  const { items } = await client.listGpus();
  const all: GetReportsResponse[] = [];
  for (const { metadata } of items) {
    try {
      all.push(await client.getReports(metadata?.name ?? ''));
    } catch (error) {
      // Deleted since it was listed.
      if (!(error instanceof CodedError && error.code === 'GPUB_GPU_NOT_FOUND')) throw error;
    }
  }
  return all;
}

type ListedCondition = ReturnType<typeof conditionsOf>[number];

function conditionsOf({ name, reports }: GetReportsResponse) {
  const all = reports.flatMap(({ provider, conditions }) =>
    conditions.map((condition) => ({ gpu: name, provider, ...condition })),
  );
  return all.sort((a, b) => (a.type < b.type ? -1 : 1));
}

function actionsOf({ name, reports }: GetReportsResponse) {
  const recommend = ({ recommendedAction }: Report) => recommendedAction !== '';
  return reports.filter(recommend).map(({ provider, recommendedAction }) => ({
    gpu: name,
    provider,
    action: recommendedAction,
  }));
}

function formatConditions(conditions: readonly ListedCondition[]): string {
  const rows = conditions.map(({ gpu, type, status, stale, provider, lastTransitionTime, reason, message }) => [
    gpu,
    type,
    stale ? `${status} (stale)` : status,
    provider,
    lastTransitionTime?.toISOString() ?? absent,
    reason || absent,
    message || absent,
  ]);
  return formatTable([['GPU', 'TYPE', 'STATUS', 'PROVIDER', 'SINCE', 'REASON', 'MESSAGE'], ...rows]);
}
