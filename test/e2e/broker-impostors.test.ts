// Who pretends to be somebody else: with another's credential, a copied disk, a forged token, or after being sent away.
import { createHmac, generateKeyPairSync } from 'node:crypto';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import type { FakeAgent } from '../fixtures/agent.ts';
import { type BrokerProcess, removeBroker, startBroker } from '../fixtures/broker-process.ts';
import { newFolder } from '../fixtures/cache-server.ts';
import {
  type JoinStart,
  joinBroker,
  newCluster,
  newMachine,
  type RegisteredNode,
  registerNode,
  removeAgent,
} from '../fixtures/joined-agent.ts';

const patience = { timeout: 60_000, interval: 100 };

let broker: BrokerProcess;
let clusterId: string;
let nodes = 0;
beforeAll(async () => {
  broker = await startBroker({ flags: ['--heartbeat-interval', '1s'] });
  clusterId = await newCluster(broker.admin);
}, 90_000);
afterAll(async () => {
  if (broker) await removeBroker(broker);
}, 60_000);

const agents: FakeAgent[] = [];
afterEach(async () => {
  await Promise.all(agents.splice(0).map(removeAgent));
});

test('the credential of another node, or an invented one, does not connect; the node serves on and says so', async () => {
  const [one, other] = [await joined(), await joined()];
  await one.agent.stop();
  const stolen = credentialOf(other.agent).credentialId;
  for (const [credentialId, code] of [
    [stolen, 'GPUB_PROOF_REFUSED'],
    [crypto.randomUUID(), 'GPUB_CREDENTIAL_UNKNOWN'],
  ]) {
    const file = credentialFile(one.agent);
    writeFileSync(file, JSON.stringify({ ...credentialOf(one.agent), credentialId }));
    const agent = start(one.node, { folder: one.agent.folder, driver: one.agent.driver });
    await warned(agent, String(code));
    expect((await agent.list()).gpus).toHaveLength(1);
    await agent.kill();
  }
  await vi.waitFor(async () => expect(await statusOf(one.node)).toBe('offline'), patience);
  expect(await statusOf(other.node)).toBe('healthy');
});

test('another node’s id in the credential changes nothing: the key says who it is', async () => {
  const [one, other] = [await joined(), await joined()];
  await one.agent.stop();
  writeFileSync(credentialFile(one.agent), JSON.stringify({ ...credentialOf(one.agent), nodeId: other.node.nodeId }));
  await vi.waitFor(async () => expect(await statusOf(one.node)).toBe('offline'), patience);
  const agent = start(one.node, { folder: one.agent.folder, driver: one.agent.driver });
  await agent.logged('connected to the broker');
  await vi.waitFor(async () => expect(await statusOf(one.node)).toBe('healthy'), patience);
  const { gpus } = await broker.admin.call('GET /nodes/{id}', { params: { id: other.node.nodeId } });
  expect(gpus.map(({ uuid }) => uuid)).toEqual(other.agent.driver.state.gpus.map(({ uuid }) => uuid));
});

test('a node that was decommissioned keeps serving its device API, and warns', async () => {
  const { node, agent } = await joined();
  await broker.admin.call('POST /nodes/{id}/decommission', { params: { id: node.nodeId } });
  await warned(agent, 'decommission');
  expect((await agent.list()).gpus).toHaveLength(1);
  const { items } = await broker.admin.call('GET /gpus', { query: { node_id: node.nodeId } });
  expect(items).toEqual([]);
  await agent.kill();
  const again = start(node, { folder: agent.folder, driver: agent.driver });
  await warned(again, 'GPUB_NODE_DECOMMISSIONED');
  expect((await again.list()).gpus).toHaveLength(1);
});

test('a copied disk that runs on a second machine is refused, and an incident is open', async () => {
  const { node, agent } = await joined();
  const folder = newFolder();
  cpSync(join(agent.folder, 'data'), join(folder, 'data'), { recursive: true });
  const host = join(folder, 'host');
  mkdirSync(join(host, 'etc'), { recursive: true });
  writeFileSync(join(host, 'etc', 'machine-id'), `${'ab'.repeat(16)}\n`);
  const clone = start(node, { folder, flags: ['--host-root', host] });
  await warned(clone, 'GPUB_NODE_DUPLICATE');
  const query = { kind: 'duplicate-node', status: 'open' } as const;
  const { items } = await broker.admin.call('GET /incidents', { query });
  expect(items.map(({ node_id }) => node_id)).toEqual([node.nodeId]);
  const { gpus } = await broker.admin.call('GET /nodes/{id}', { params: { id: node.nodeId } });
  expect(gpus.map(({ uuid }) => uuid)).toEqual(agent.driver.state.gpus.map(({ uuid }) => uuid));
});

test('a session’s token that was forged is refused', async () => {
  const token = await signIn();
  expect(await meWith(token)).toBe(200);
  const [head = '', claims = '', signature = ''] = token.split('.');
  const { kid } = JSON.parse(Buffer.from(head, 'base64url').toString()) as { kid: string };
  const payload = JSON.parse(Buffer.from(claims, 'base64url').toString()) as Record<string, unknown>;
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const withHmac = (secret: Buffer | string) => {
    const text = `${part({ alg: 'HS256', kid })}.${claims}`;
    return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
  };
  const { privateKey } = generateKeyPairSync('ed25519');
  const publicPart = await publicKeyOfBroker(kid);
  const forged = {
    'no algorithm': `${part({ alg: 'none', kid })}.${claims}.`,
    'no algorithm, with the signature': `${part({ alg: 'none', kid })}.${claims}.${signature}`,
    'HMAC with the public key': withHmac(publicPart),
    'HMAC with the bytes of the public key': withHmac(Buffer.from(publicPart, 'base64url')),
    'HMAC with nothing': withHmac(''),
    'another key': await new SignJWT(payload).setProtectedHeader({ alg: 'EdDSA', kid }).sign(privateKey),
    'another key by another name': await new SignJWT(payload)
      .setProtectedHeader({ alg: 'EdDSA', kid: crypto.randomUUID() })
      .sign(privateKey),
    'other claims': `${head}.${part({ ...payload, sub: crypto.randomUUID() })}.${signature}`,
    'no signature': `${head}.${claims}.`,
  };
  for (const [how, bad] of Object.entries(forged)) expect(await meWith(bad), how).toBe(401);
});

interface Joined {
  readonly node: RegisteredNode;
  readonly agent: FakeAgent;
}

async function joined(): Promise<Joined> {
  nodes += 1;
  const node = await registerNode(broker.admin, clusterId, `node-${nodes}`);
  const agent = start(node, { token: node.token });
  await vi.waitFor(async () => expect(await statusOf(node)).toBe('healthy'), patience);
  return { node, agent };
}

function start({ hostname }: RegisteredNode, more: Partial<JoinStart> = {}): FakeAgent {
  const driver = more.driver ?? newMachine(1);
  const agent = joinBroker({ hostname, brokerUrl: broker.endpoints.node_link_url, ca: broker.ca, driver, ...more });
  agents.push(agent);
  return agent;
}

/** It is ready all the same. */
async function warned(agent: FakeAgent, text: string): Promise<void> {
  await vi.waitFor(async () => {
    const { status, body } = await agent.health('/readyz?verbose');
    expect(body).toContain(text);
    expect(status).toBe(200);
  }, patience);
}

async function statusOf({ nodeId }: RegisteredNode): Promise<string> {
  return (await broker.admin.call('GET /nodes/{id}', { params: { id: nodeId } })).status;
}

function credentialFile({ folder }: FakeAgent): string {
  return join(folder, 'data', 'broker', 'credential.json');
}

function credentialOf(agent: FakeAgent): { credentialId: string } {
  return JSON.parse(readFileSync(credentialFile(agent), 'utf8')) as { credentialId: string };
}

async function signIn(): Promise<string> {
  const { id: account_id } = await broker.admin.call('POST /accounts', { body: { name: 'an account' } });
  const [email, password] = ['anna@example.com', 'correct horse battery staple'];
  await broker.admin.call('POST /users', { body: { account_id, email, name: 'Anna', role: 'provider', password } });
  return (await broker.admin.call('POST /auth/login', { body: { email, password } })).access_token;
}

async function meWith(token: string): Promise<number> {
  const headers = { authorization: `Bearer ${token}` };
  return (await fetch(`${broker.endpoints.http_url}/api/v2/auth/me`, { headers })).status;
}

/** Base64url, as a JWK has it. The broker publishes it nowhere, but it is no secret. */
async function publicKeyOfBroker(kid: string): Promise<string> {
  const { url } = JSON.parse(readFileSync(join(broker.folder, 'database.json'), 'utf8')) as { url: string };
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query("select private_jwk->>'x' as x from signing_keys where id = $1", [kid]);
    return String(rows[0]?.x);
  } finally {
    await client.end();
  }
}
