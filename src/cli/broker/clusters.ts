// `gpubroker clusters`: nodes of one provider in one place.
import type { Cluster, ClusterQuery } from '../../api/clusters.ts';
import type { Client } from '../../client/client.ts';
import { type Columns, collect, pageFor, showDone, showList, showOne } from './show.ts';

const columns: Columns<Cluster> = {
  ID: ({ id }) => id,
  NAME: ({ name }) => name,
  REGION: ({ region }) => region,
  NODES: ({ nodes }) => nodes,
  GPUS: ({ total_gpus }) => total_gpus,
  AVAILABLE: ({ available_gpus }) => available_gpus,
};

export async function listClusters(client: Client, json: boolean, query: ClusterQuery, limit: number): Promise<void> {
  const clusters = client.all('GET /clusters', { query: { ...query, ...pageFor(limit) } });
  const nothing = 'No cluster yet; `gpubroker clusters create` makes one.';
  showList(await collect(clusters, limit), { json, columns, nothing });
}

export async function showCluster(client: Client, json: boolean, id: string): Promise<void> {
  showOne(await client.call('GET /clusters/{id}', { params: { id } }), json);
}

export interface NewClusterFlags {
  readonly provider: string;
  readonly region: string;
}

export async function createCluster(
  client: Client,
  json: boolean,
  name: string,
  flags: NewClusterFlags,
): Promise<void> {
  const params = { id: flags.provider };
  const created = await client.call('POST /providers/{id}/clusters', { params, body: { name, region: flags.region } });
  showDone(created, `Created ${name}: ${created.cluster_id}`, json);
}

export async function deleteCluster(client: Client, json: boolean, id: string): Promise<void> {
  showDone(await client.call('DELETE /clusters/{id}', { params: { id } }), `Deleted cluster ${id}.`, json);
}
