// The GPUs that both servers hold: registered through the API, and checked in what the servers answer.
import {
  CreateGpuRequest,
  GetGpuRequest,
  GetGpuResponse,
  type Gpu,
  ListGpusRequest,
  ListGpusResponse,
  UpdateGpuStatusRequest,
} from '../../src/wire/nvidia/device/v1alpha1/gpu.ts';
import { call } from './call.ts';

export const gpuCount = 8;
const conditionCount = 2;

const gpuName = (index: number): string => `gpu-00000000-0000-4000-8000-${String(index).padStart(12, '0')}`;

export const listRequest = ListGpusRequest.encode(ListGpusRequest.create()).finish();

export const getRequest = (name: string): Uint8Array =>
  GetGpuRequest.encode(GetGpuRequest.fromPartial({ name })).finish();

export async function registerGpus(socket: string): Promise<void> {
  for (let index = 0; index < gpuCount; index++) {
    const name = gpuName(index);
    const gpu = { metadata: { name }, spec: { uuid: name.replace('gpu-', 'GPU-') } };
    await call(socket, 'CreateGpu', CreateGpuRequest.encode(CreateGpuRequest.fromPartial({ gpu })).finish());
    await call(socket, 'UpdateGpuStatus', statusRequest(name));
  }
}

function statusRequest(name: string): Uint8Array {
  const lastTransitionTime = new Date();
  const condition = { status: 'True', lastTransitionTime };
  const conditions = [
    { ...condition, type: 'Ready', reason: 'Healthy', message: 'the GPU is healthy' },
    { ...condition, type: 'NVMLReady', reason: 'Initialized', message: 'NVML initialised' },
  ];
  const request = UpdateGpuStatusRequest.fromPartial({ name, status: { conditions } });
  return UpdateGpuStatusRequest.encode(request).finish();
}

export async function listGpus(socket: string): Promise<Gpu[]> {
  return ListGpusResponse.decode(await call(socket, 'ListGpus', listRequest)).gpuList?.items ?? [];
}

// Calls both methods once, checks what they say, and returns the name of one GPU and the size of each answer.
export async function checkAnswers(socket: string): Promise<{ name: string; getSize: number; listSize: number }> {
  const list = await call(socket, 'ListGpus', listRequest);
  const items = ListGpusResponse.decode(list).gpuList?.items ?? [];
  if (items.length !== gpuCount) throw new Error(`ListGpus answers ${items.length} GPUs instead of ${gpuCount}`);
  for (const gpu of items) checkGpu(gpu);
  const name = items[0]?.metadata?.name ?? '';
  const get = await call(socket, 'GetGpu', getRequest(name));
  const gpu = GetGpuResponse.decode(get).gpu;
  if (gpu?.metadata?.name !== name) throw new Error(`GetGpu answers ${gpu?.metadata?.name} instead of ${name}`);
  checkGpu(gpu);
  return { name, getSize: get.length, listSize: list.length };
}

function checkGpu(gpu: Gpu): void {
  const conditions = gpu.status?.conditions.length ?? 0;
  if (conditions < conditionCount) throw new Error(`${gpu.metadata?.name} has ${conditions} conditions`);
  if (gpu.resourceVersion <= 0n) throw new Error(`${gpu.metadata?.name} has no version`);
}
