// `gpubroker nodes`: the machines that GPUs sit in, and how they join and leave.
import type { Node, NodeQuery } from '../../api/nodes.ts';
import type { Client } from '../../client/client.ts';
import { print } from '../output.ts';
import { ago, type Columns, collect, pageFor, showDone, showList, showOne, word } from './show.ts';

const columns: Columns<Node> = {
  ID: ({ id }) => id,
  HOSTNAME: ({ hostname }) => hostname,
  STATUS: ({ status }) => word(status),
  GPUS: ({ gpu_count }) => gpu_count,
  STANDING: standing,
  SEEN: ({ last_seen_at }) => ago(last_seen_at),
  REASON: ({ status, reason }) => (status === 'healthy' ? '' : reason),
};

export async function listNodes(client: Client, json: boolean, query: NodeQuery, limit: number): Promise<void> {
  const nothing = 'No such node; `gpubroker nodes add` makes the token with which one joins.';
  showList(await collect(client.all('GET /nodes', { query: { ...query, ...pageFor(limit) } }), limit), {
    json,
    columns,
    nothing,
  });
}

export async function showNode(client: Client, json: boolean, id: string): Promise<void> {
  const { gpus, ...node } = await client.call('GET /nodes/{id}', { params: { id } });
  if (json) return showOne({ ...node, gpus }, json);
  showOne(node, json);
  print('');
  const { gpuColumns } = await import('./gpus-search.ts');
  showList(gpus, { json, columns: gpuColumns, nothing: 'It shows no GPU.' });
}

/** Registers a node and prints the token with which it joins, once. */
export async function addNode(client: Client, json: boolean, hostname: string, cluster: string): Promise<void> {
  const params = { id: cluster };
  const created = await client.call('POST /clusters/{id}/nodes', { params, body: { hostname } });
  const said = [
    `Registered ${hostname}: ${created.node_id}`,
    `It joins once with this token, until ${created.expires_at}:`,
    created.onboarding_token,
  ];
  showDone(created, said, json);
}

/** For a node that lost its token before it joined, or that joins anew; the token before is good for nothing then. */
export async function renewToken(client: Client, json: boolean, id: string): Promise<void> {
  const made = await client.call('POST /nodes/{id}/onboarding-token', { params: { id } });
  showDone(made, made.onboarding_token, json);
}

export const operations = ['cordon', 'uncordon', 'drain', 'decommission'] as const;

/** What an operator does to a node, and what is said when it is done. */
export async function operateNode(
  client: Client,
  json: boolean,
  id: string,
  operation: (typeof operations)[number],
): Promise<void> {
  const node = await client.call(`POST /nodes/{id}/${operation}`, { params: { id } });
  showDone(node, `Node ${id}: ${operation} done.`, json);
}

export async function pullInventory(client: Client, json: boolean, id: string): Promise<void> {
  const answer = await client.call('POST /nodes/{id}/inventory', { params: { id } });
  showDone(answer, `The inventory of node ${id} is up to date.`, json);
}

export async function deleteNode(client: Client, json: boolean, id: string): Promise<void> {
  showDone(await client.call('DELETE /nodes/{id}', { params: { id } }), `Deleted node ${id}.`, json);
}

function standing({ cordoned, draining, decommissioned_at }: Node): string {
  if (decommissioned_at) return 'decommissioned';
  return draining ? 'draining' : cordoned ? 'cordoned' : 'in service';
}
