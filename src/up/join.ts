// Joins the node of this machine to the broker of this machine: a provider, a cluster and a token, all of our own.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, createClient } from '../client/client.ts';
import { ApiProblem } from '../client/problem.ts';
import type { Log } from '../daemon/logger.ts';
import { brokerNotReady } from './errors.ts';

/** The name of the provider and of the cluster. */
const local = 'local';
const tokenLifetimeMs = 60 * 60 * 1000;
const pollMs = 100;

/** What a broker writes into its data folder once it serves. */
interface Endpoints {
  readonly pid: number;
  readonly http_url: string;
  readonly node_link_url: string;
}

/** How the agent reaches the broker. */
export interface Joining {
  readonly brokerUrl: string;
  readonly brokerCa: string;
  readonly onboardingTokenFile: string;
}

interface LocalBroker {
  /** The data folder of the agent. */
  readonly agentFolder: string;
  readonly log: Log;
  /** Its data folder. */
  readonly folder: string;
  /** Of the process, which may be started again meanwhile. */
  readonly pid: () => number | undefined;
  /** Whether it is not worth waiting any longer. */
  readonly hasFailed: () => boolean;
}

/**
 * Waits until the broker serves, and prepares the joining.
 * @throws CodedError when the broker fails; the reason of `abort` once that is aborted.
 */
export async function prepareJoining(broker: LocalBroker, abort: AbortSignal): Promise<Joining> {
  const endpoints = await serving(broker, abort);
  const token = readFileSync(join(broker.folder, 'admin-api-key'), 'utf8').trim();
  const client = createClient({ url: endpoints.http_url, token });
  const access = { brokerUrl: endpoints.node_link_url, brokerCa: join(broker.folder, 'ca.crt') };
  if (await hasJoined(broker, client)) return { ...access, onboardingTokenFile: '' };
  const clusterId = await findCluster(client, await findProvider(client));
  const onboardingTokenFile = join(broker.folder, 'up-token');
  const expiresAt = new Date(Date.now() + tokenLifetimeMs).toISOString();
  const created = await client.call('POST /clusters/{id}/enrolment-tokens', {
    params: { id: clusterId },
    body: { max_uses: 1, expires_at: expiresAt },
  });
  // A file that is there keeps its permissions.
  rmSync(onboardingTokenFile, { force: true });
  writeFileSync(onboardingTokenFile, `${created.token}\n`, { mode: 0o600 });
  return { ...access, onboardingTokenFile };
}

/**
 * Whether the agent's credential is of a node that the broker knows. One of a broker whose data folder is gone is
 * dropped, so that the node joins anew.
 */
export async function hasJoined(
  { agentFolder, log }: Pick<LocalBroker, 'agentFolder' | 'log'>,
  client: Client,
): Promise<boolean> {
  const folder = join(agentFolder, 'broker');
  const nodeId = credentialNode(folder);
  if (nodeId === undefined) return false;
  try {
    await client.call('GET /nodes/{id}', { params: { id: nodeId } });
    return true;
  } catch (error) {
    if (!(error instanceof ApiProblem) || error.status !== 404) throw error;
    log.warn({ node: nodeId, folder }, 'the broker does not know this node any more: it joins anew');
    rmSync(folder, { recursive: true, force: true });
    return false;
  }
}

function credentialNode(folder: string): string | undefined {
  try {
    const { nodeId } = JSON.parse(readFileSync(join(folder, 'credential.json'), 'utf8')) as { nodeId?: string };
    return nodeId;
  } catch {
    // None, or one that the agent says is damaged.
    return undefined;
  }
}

async function serving(broker: LocalBroker, abort: AbortSignal): Promise<Endpoints> {
  for (;;) {
    const endpoints = readEndpoints(broker.folder);
    if (endpoints && endpoints.pid === broker.pid()) return endpoints;
    if (broker.hasFailed()) throw brokerNotReady('it ended again and again');
    await sleep(pollMs, undefined, { signal: abort });
  }
}

function readEndpoints(folder: string): Endpoints | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, 'endpoints.json'), 'utf8')) as Endpoints;
  } catch {
    return undefined;
  }
}

async function findProvider(client: Client): Promise<string> {
  for await (const provider of client.all('GET /providers', {})) if (provider.name === local) return provider.id;
  const { provider_id: id } = await client.call('POST /providers', {
    body: { name: local, company: local, kyc_data: {} },
  });
  await client.call('POST /providers/{id}/verify', { params: { id } });
  return id;
}

async function findCluster(client: Client, providerId: string): Promise<string> {
  for await (const cluster of client.all('GET /clusters', { query: { provider_id: providerId } })) {
    if (cluster.name === local) return cluster.id;
  }
  const params = { id: providerId };
  const body = { name: local, region: local, specs: {} };
  const { cluster_id: id } = await client.call('POST /providers/{id}/clusters', { params, body });
  return id;
}
