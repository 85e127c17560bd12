// `gpubroker tokens`: with which a fleet of nodes joins a cluster.
import type { EnrolmentToken } from '../../api/clusters.ts';
import type { Client } from '../../client/client.ts';
import { ago, type Columns, collect, pageFor, showDone, showList } from './show.ts';

const columns: Columns<EnrolmentToken> = {
  ID: ({ id }) => id,
  FOR: ({ node_id }) => (node_id === null ? 'fleet' : `node ${node_id}`),
  USES: ({ uses, max_uses }) => `${uses}/${max_uses}`,
  STATE: stateOf,
  CREATED: ({ created_at }) => ago(created_at),
};

export async function listTokens(client: Client, json: boolean, cluster: string, limit: number): Promise<void> {
  const items = await collect(
    client.all('GET /clusters/{id}/enrolment-tokens', { params: { id: cluster }, query: pageFor(limit) }),
    limit,
  );
  showList(items, { json, columns, nothing: 'No token; `gpubroker tokens create` makes one.' });
}

export interface NewTokenFlags {
  readonly maxUses: number;
  /** Milliseconds. */
  readonly lifetime: number;
}

/** Prints the token alone on its line, so that it can be put into a file or a secret. */
export async function createToken(client: Client, json: boolean, cluster: string, flags: NewTokenFlags): Promise<void> {
  const body = { max_uses: flags.maxUses, expires_at: new Date(Date.now() + flags.lifetime).toISOString() };
  const created = await client.call('POST /clusters/{id}/enrolment-tokens', { params: { id: cluster }, body });
  showDone(created, created.token, json);
}

export async function revokeToken(client: Client, json: boolean, cluster: string, id: string): Promise<void> {
  const params = { id: cluster, token_id: id };
  const answer = await client.call('DELETE /clusters/{id}/enrolment-tokens/{token_id}', { params });
  showDone(answer, `Revoked token ${id}.`, json);
}

function stateOf({ revoked_at, expires_at, uses, max_uses }: EnrolmentToken, now = Date.now()): string {
  if (revoked_at !== null) return 'revoked';
  if (Date.parse(expires_at) <= now) return 'expired';
  return uses >= max_uses ? 'used up' : 'open';
}
