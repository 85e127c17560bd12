// `gpubroker gpus show` and `gpubroker gpus maintenance`: one GPU of the broker's inventory.
import type { Client } from '../../client/client.ts';
import { print } from '../output.ts';
import { ago, type Columns, showDone, showList, showOne } from './show.ts';

type Condition = import('../../api/gpus.ts').Condition;

const columns: Columns<Condition> = {
  CONDITION: ({ type }) => type,
  STATUS: ({ status }) => status,
  REASON: ({ reason }) => reason,
  SINCE: ({ last_transition_at }) => ago(last_transition_at),
  MESSAGE: ({ message }) => message,
};

export async function showGpu(client: Client, json: boolean, id: string): Promise<void> {
  const gpu = await client.call('GET /gpus/{id}', { params: { id } });
  if (json) return showOne(gpu, json);
  const { conditions, ...rest } = gpu;
  showOne(rest, json);
  print('');
  showList(conditions, { json, columns, nothing: 'Its node told of no conditions.' });
}

/** Keeps it off the market, or gives it back. */
export async function setMaintenance(
  client: Client,
  json: boolean,
  id: string,
  maintenance: { enabled: boolean; reason?: string },
): Promise<void> {
  const gpu = await client.call('POST /gpus/{id}/maintenance', { params: { id }, body: maintenance });
  showDone(gpu, `GPU ${id} is ${gpu.status === 'maintenance' ? 'in maintenance' : gpu.status}.`, json);
}
