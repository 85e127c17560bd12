// `gpubroker telemetry`: what a node measured of its GPUs.
import type { NodeMetric, TelemetryPage, TelemetryQuery } from '../../api/telemetry.ts';
import type { Client } from '../../client/client.ts';
import { printJson, remark } from '../output.ts';
import { absent } from '../quantities.ts';
import { type Columns, showList, word } from './show.ts';

const columns: Columns<NodeMetric> = {
  TIME: ({ timestamp }) => timestamp,
  STATUS: ({ status }) => word(status),
  GPUS: ({ gpus }) => gpus.length,
  UTILIZATION: ({ gpu_utilization }) => percent(gpu_utilization),
  MEMORY: ({ memory_utilization }) => percent(memory_utilization),
  HOTTEST: ({ temperature }) => (temperature === null ? absent : `${Math.round(temperature)} °C`),
  POWER: ({ power_draw }) => (power_draw === null ? absent : `${Math.round(power_draw)} W`),
};

/** Pages of the API hold this many at most. */
const largestPage = 5_000;

/** Of the last hour, unless the query says which time. */
export async function showTelemetry(
  client: Client,
  json: boolean,
  node: string,
  query: TelemetryQuery,
  limit: number,
): Promise<void> {
  const metrics: NodeMetric[] = [];
  let resolution: string | undefined;
  let cursor: string | null = null;
  do {
    const page = {
      ...query,
      limit: Math.min(limit - metrics.length, largestPage),
      ...(cursor === null ? {} : { cursor }),
    };
    const found: TelemetryPage = await client.call('GET /telemetry/{node_id}', {
      params: { node_id: node },
      query: page,
    });
    metrics.push(...found.metrics);
    resolution = found.resolution;
    cursor = found.next_cursor;
  } while (cursor !== null && metrics.length < limit);
  if (cursor !== null) remark(`There are more than ${limit}; --limit shows more, a shorter time less.`);
  if (json) printJson({ node_id: node, resolution, metrics });
  else showList(metrics, { json, columns, nothing: 'Nothing was measured in this time.' });
}

function percent(share: number | null): string {
  return share === null ? absent : `${Math.round(share * 100)} %`;
}
