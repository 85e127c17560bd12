// `gpubroker gpus list` and `gpus get`: one line a GPU.
import { type GpuView, getGpuView, listGpuViews, reasonOf } from './gpu-view.ts';
import type { NodeClient } from './node-client.ts';
import { formatHealth, formatTable, print, printJson, remark } from './output.ts';
import { absent, formatGibOf, formatNumber, formatWattsOf } from './quantities.ts';

const heading = ['NAME', 'MODEL', 'HEALTH', 'UTIL', 'MEMORY', 'TEMP', 'POWER', 'REASON'];

export async function listGpus(client: NodeClient, json: boolean): Promise<void> {
  const { resourceVersion, gpus } = await listGpuViews(client);
  if (json) printJson({ resourceVersion, gpus });
  else if (gpus.length === 0) remark('This node has no GPU; `gpubroker status` shows where the daemon looks for some.');
  else printRows(gpus);
}

export async function getGpu(client: NodeClient, name: string, json: boolean): Promise<void> {
  const gpu = await getGpuView(client, name);
  if (json) printJson(gpu);
  else printRows([gpu]);
}

function printRows(gpus: readonly GpuView[]): void {
  print(formatTable([heading, ...gpus.map(row)]));
}

function row(gpu: GpuView): string[] {
  const { readings, memory, powerLimits, model } = gpu.device ?? {};
  return [
    gpu.name,
    model ?? absent,
    formatHealth(gpu.health),
    formatNumber(readings?.utilizationPercent, '%'),
    formatGibOf(readings?.memoryUsedBytes, memory?.totalBytes),
    formatNumber(readings?.temperatureCelsius, ' C'),
    formatWattsOf(readings?.powerMilliwatts, powerLimits?.enforcedMilliwatts),
    reasonOf(gpu) || absent,
  ];
}
