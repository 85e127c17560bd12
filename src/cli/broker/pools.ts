// `gpubroker pools`: GPUs of a provider under one name, named one by one or found by filters.
import type { NewPool, Pool, PoolQuery } from '../../api/pools.ts';
import type { Client } from '../../client/client.ts';
import { gpuColumns } from './gpus-search.ts';
import { ago, type Columns, collect, pageFor, showDone, showList, showOne } from './show.ts';

const columns: Columns<Pool> = {
  ID: ({ id }) => id,
  NAME: ({ name }) => name,
  KIND: ({ kind }) => kind,
  MEMBERS: ({ selector }) => (selector ? JSON.stringify(selector) : 'named one by one'),
  CREATED: ({ created_at }) => ago(created_at),
};

export async function listPools(client: Client, json: boolean, query: PoolQuery, limit: number): Promise<void> {
  const items = await collect(client.all('GET /pools', { query: { ...query, ...pageFor(limit) } }), limit);
  showList(items, { json, columns, nothing: 'No pool yet; `gpubroker pools create` makes one.' });
}

export async function showPool(client: Client, json: boolean, id: string): Promise<void> {
  showOne(await client.call('GET /pools/{id}', { params: { id } }), json);
}

/** Without a selector its members are named one by one. */
export async function createPool(
  client: Client,
  json: boolean,
  pool: { name: string; provider: string; selector: NonNullable<NewPool['selector']> },
): Promise<void> {
  const { name, provider: provider_id, selector } = pool;
  const members =
    Object.keys(selector).length > 0 ? ({ kind: 'dynamic', selector } as const) : { kind: 'static' as const };
  const created = await client.call('POST /pools', { body: { name, provider_id, ...members } });
  showDone(created, `Made the ${created.kind} pool ${name}: ${created.id}`, json);
}

export async function deletePool(client: Client, json: boolean, id: string): Promise<void> {
  showDone(await client.call('DELETE /pools/{id}', { params: { id } }), `Deleted pool ${id}; its GPUs stay.`, json);
}

export async function listPoolGpus(client: Client, json: boolean, id: string, limit: number): Promise<void> {
  const found = client.all('GET /pools/{id}/gpus', { params: { id }, query: pageFor(limit) });
  showList(await collect(found, limit), { json, columns: gpuColumns, nothing: 'The pool has no GPU.' });
}

export async function changeMembers(
  client: Client,
  json: boolean,
  id: string,
  what: 'add' | 'remove',
  gpus: readonly string[],
): Promise<void> {
  const body = { gpu_ids: [...gpus] };
  const answer = await client.call(`POST /pools/{id}/gpus/${what}`, { params: { id }, body });
  showDone(answer, `${answer.changed} of ${gpus.length} GPUs ${what === 'add' ? 'added' : 'removed'}.`, json);
}
