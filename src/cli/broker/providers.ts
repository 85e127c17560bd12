// `gpubroker providers`: who brings GPUs.
import type { Provider, ProviderChange, ProviderQuery } from '../../api/providers.ts';
import type { Client } from '../../client/client.ts';
import { ago, type Columns, collect, pageFor, showDone, showList, showOne, word } from './show.ts';

const columns: Columns<Provider> = {
  ID: ({ id }) => id,
  NAME: ({ name }) => name,
  COMPANY: ({ company }) => company,
  STATUS: ({ status }) => word(status),
  CREATED: ({ created_at }) => ago(created_at),
};

export async function listProviders(client: Client, json: boolean, query: ProviderQuery, limit: number): Promise<void> {
  const items = await collect(client.all('GET /providers', { query: { ...query, ...pageFor(limit) } }), limit);
  showList(items, { json, columns, nothing: 'No provider yet; `gpubroker providers create` registers one.' });
}

export async function showProvider(client: Client, json: boolean, id: string): Promise<void> {
  showOne(await client.call('GET /providers/{id}', { params: { id } }), json);
}

export async function createProvider(client: Client, json: boolean, name: string, company: string): Promise<void> {
  const created = await client.call('POST /providers', { body: { name, company } });
  showDone(created, `Registered ${name}: ${created.provider_id}`, json);
}

export async function changeProvider(client: Client, json: boolean, id: string, body: ProviderChange): Promise<void> {
  const provider = await client.call('PATCH /providers/{id}', { params: { id }, body });
  showDone(provider, `Changed ${provider.name}.`, json);
}

export async function verifyProvider(client: Client, json: boolean, id: string): Promise<void> {
  const provider = await client.call('POST /providers/{id}/verify', { params: { id } });
  showDone(provider, `${provider.name} is verified and may sell.`, json);
}

export async function suspendProvider(client: Client, json: boolean, id: string, reason: string): Promise<void> {
  const provider = await client.call('POST /providers/{id}/suspend', { params: { id }, body: { reason } });
  showDone(provider, `${provider.name} is suspended: ${reason}`, json);
}

export async function deleteProvider(client: Client, json: boolean, id: string): Promise<void> {
  showDone(await client.call('DELETE /providers/{id}', { params: { id } }), `Deleted provider ${id}.`, json);
}
