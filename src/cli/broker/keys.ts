// `gpubroker keys`: API keys of one's own.
import type { ApiKeyView, NewApiKey } from '../../api/identity.ts';
import type { Client } from '../../client/client.ts';
import { ago, type Columns, collect, pageFor, showDone, showList } from './show.ts';

const columns: Columns<ApiKeyView> = {
  ID: ({ id }) => id,
  NAME: ({ name }) => name,
  SCOPES: ({ scopes }) => scopes.join(','),
  STATE: ({ revoked_at, expires_at }) => stateOf(revoked_at, expires_at),
  USED: ({ last_used_at }) => ago(last_used_at),
};

export async function listKeys(client: Client, json: boolean, limit: number): Promise<void> {
  const items = await collect(client.all('GET /auth/api-keys', { query: pageFor(limit) }), limit);
  showList(items, { json, columns, nothing: 'No API key.' });
}

/** Prints the key alone on its line, so that it can be put into a file. */
export async function createKey(client: Client, json: boolean, body: NewApiKey): Promise<void> {
  const issued = await client.call('POST /auth/api-keys', { body });
  showDone(issued, issued.key, json);
}

export async function revokeKey(client: Client, json: boolean, id: string): Promise<void> {
  showDone(await client.call('DELETE /auth/api-keys/{id}', { params: { id } }), `Revoked key ${id}.`, json);
}

function stateOf(revokedAt: string | null, expiresAt: string | null, now = Date.now()): string {
  if (revokedAt !== null) return 'revoked';
  return expiresAt !== null && Date.parse(expiresAt) <= now ? 'expired' : 'good';
}
