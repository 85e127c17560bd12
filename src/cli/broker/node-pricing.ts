// `gpubroker nodes pricing`: at which price a node is sold.
import type { NewNodePricing, NodePricing } from '../../api/pricing.ts';
import type { Client } from '../../client/client.ts';
import { print, printJson } from '../output.ts';
import { type Columns, showDone, showList, showOne } from './show.ts';

const columns: Columns<NodePricing['offers'][number]> = {
  PRODUCT: ({ gpu_type }) => gpu_type,
  PRICE: ({ price }) => price,
  GPUS: ({ open_quantity }) => open_quantity,
};

export async function showPricing(client: Client, json: boolean, id: string): Promise<void> {
  const pricing = await client.call('GET /nodes/{id}/pricing', { params: { id } });
  if (json) return printJson(pricing);
  const { offers, ...set } = pricing;
  showOne(set, json);
  print('');
  showList(offers, { json, columns, nothing: 'It offers nothing: none of its GPUs can be sold now.' });
}

/** What is not given has its default again. */
export async function setPricing(client: Client, json: boolean, id: string, body: NewNodePricing): Promise<void> {
  const answer = await client.call('PUT /nodes/{id}/pricing', { params: { id }, body });
  const surge = body.surge_enabled ? ', more when its cluster is used' : '';
  showDone(answer, `The free GPUs of node ${id} are sold at ${body.base_price} per GPU-hour${surge}.`, json);
}

export async function removePricing(client: Client, json: boolean, id: string): Promise<void> {
  const answer = await client.call('DELETE /nodes/{id}/pricing', { params: { id } });
  showDone(answer, `Node ${id} is not sold any more.`, json);
}
