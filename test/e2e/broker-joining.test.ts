// Joining with tokens: what a cut or a restart in the middle leaves behind, and who is refused and told why.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { ownCertificate } from '../../src/broker/tls/authority.ts';
import type { FakeAgent } from '../fixtures/agent.ts';
import { type BrokerProcess, newBrokerFolder, removeBroker, startBroker } from '../fixtures/broker-process.ts';
import {
  type JoinStart,
  joinBroker,
  newCluster,
  newMachine,
  type RegisteredNode,
  registerNode,
  removeAgent,
} from '../fixtures/joined-agent.ts';
import { portOf, startProxy, type TcpProxy } from '../fixtures/tcp-proxy.ts';

const patience = { timeout: 60_000, interval: 100 };
const joinedMessage = 'the node has joined the broker';

let broker: BrokerProcess;
let proxy: TcpProxy;
let clusterId: string;
let nodes = 0;
beforeAll(async () => {
  broker = await startBroker({ flags: ['--heartbeat-interval', '1s'], simulated: false });
  proxy = await startProxy(portOf(broker.endpoints.node_link_url));
  clusterId = await newCluster(broker.admin);
}, 90_000);
afterAll(async () => {
  await proxy?.close();
  if (broker) await removeBroker(broker);
}, 60_000);

const agents: FakeAgent[] = [];
afterEach(async () => {
  await Promise.all(agents.splice(0).map(removeAgent));
});

test('a node whose process is started again joins with what it has stored, and its used token harms nothing', async () => {
  const node = await newNode();
  const first = start(node);
  await connected(first, node);
  await first.kill();
  const second = start(node, { folder: first.folder, driver: first.driver });
  await connected(second, node);
  expect(second.log.some(({ msg }) => msg === joinedMessage)).toBe(false);
  expect(await uses(node.nodeId)).toBe(1);
  rmSync(join(second.folder, 'token'));
  await second.kill();
  const { token: _, ...withoutToken } = node;
  await connected(start(withoutToken, { folder: second.folder, driver: second.driver }), node);
});

test('the network is cut between the broker’s yes and the node: the next attempt has the same node and one use', async () => {
  const node = await newNode();
  proxy.delayAnswers(1_500);
  const agent = start(node);
  await vi.waitFor(async () => expect(await uses(node.nodeId)).toBe(1), { ...patience, interval: 20 });
  proxy.cut();
  proxy.delayAnswers(0);
  expect(agent.log.some(({ msg }) => msg === joinedMessage)).toBe(false);
  await agent.logged('the node cannot join the broker yet');
  const { nodeId } = await agent.logged(joinedMessage);
  expect(nodeId).toBe(node.nodeId);
  await connected(agent, node);
  expect(await uses(node.nodeId)).toBe(1);
  expect((await broker.health('/metrics')).body).toMatch(/gpubroker_enrolments_total\{outcome="repeated"\} 1/);
});

test('killed between the broker’s yes and its own disk, a node shows the same key again', async () => {
  const node = await newNode();
  proxy.delayAnswers(1_500);
  const first = start(node);
  await vi.waitFor(async () => expect(await uses(node.nodeId)).toBe(1), { ...patience, interval: 20 });
  await first.kill();
  proxy.cut();
  proxy.delayAnswers(0);
  await connected(start(node, { folder: first.folder, driver: first.driver }), node);
  expect(await uses(node.nodeId)).toBe(1);
});

test('a token that another key has used is refused, the agent ends and says so, and an incident is open', async () => {
  const node = await newNode();
  await connected(start(node), node);
  await refused(start(node), 'GPUB_TOKEN_USED');
  const query = { kind: 'token-replay', status: 'open' } as const;
  const { items } = await broker.admin.call('GET /incidents', { query });
  expect(items.map(({ node_id }) => node_id)).toEqual([node.nodeId]);
  const { items: all } = await broker.admin.call('GET /nodes', { query: { hostname: node.hostname } });
  expect(all.map(({ status }) => status)).toEqual(['healthy']);
});

test('a token whose time is over is refused', async () => {
  const token = await fleetToken(new Date(Date.now() + 1_000));
  await sleep(1_500);
  await refused(start({ hostname: 'late', token: token.token }), 'GPUB_TOKEN_EXPIRED');
});

test('a token that was revoked, and one that never was, are refused', async () => {
  const { id, token } = await fleetToken(new Date(Date.now() + 3_600_000));
  const params = { id: clusterId, token_id: id };
  await broker.admin.call('DELETE /clusters/{id}/enrolment-tokens/{token_id}', { params });
  await refused(start({ hostname: 'revoked', token }), 'GPUB_TOKEN_UNKNOWN');
  await refused(start({ hostname: 'invented', token: `${token.slice(0, -4)}AAAA` }), 'GPUB_TOKEN_UNKNOWN');
});

test('simulated GPUs are refused where the broker does not allow them', async () => {
  const node = await newNode();
  await refused(start(node, { flags: ['--sources', 'simulated'] }), 'GPUB_SIMULATED_REFUSED');
  expect(await uses(node.nodeId)).toBe(0);
});

test('a broker that another authority vouches for gets no token', async () => {
  const folder = newBrokerFolder();
  try {
    await ownCertificate(folder, [], new Date());
    const node = await newNode();
    const agent = start(node, { ca: join(folder, 'ca.crt') });
    const { reason } = await agent.logged('the node cannot join the broker yet');
    expect(String(reason)).toMatch(/certificate/i);
    expect(await uses(node.nodeId)).toBe(0);
    expect((await agent.health('/readyz')).status).toBe(200);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

type Given = Pick<RegisteredNode, 'hostname'> & { readonly token?: string };

function start(node: Given, more: Partial<JoinStart> = {}): FakeAgent {
  const { hostname, token } = node;
  const given = token === undefined ? {} : { token };
  const driver = more.driver ?? newMachine(1);
  const agent = joinBroker({ hostname, brokerUrl: proxy.url, ca: broker.ca, driver, ...given, ...more });
  agents.push(agent);
  return agent;
}

function newNode(): Promise<RegisteredNode> {
  nodes += 1;
  return registerNode(broker.admin, clusterId, `node-${nodes}`);
}

function fleetToken(expiresAt: Date) {
  const body = { max_uses: 10, expires_at: expiresAt.toISOString() };
  return broker.admin.call('POST /clusters/{id}/enrolment-tokens', { params: { id: clusterId }, body });
}

/** Both ends say so. */
async function connected(agent: FakeAgent, { nodeId }: RegisteredNode): Promise<void> {
  await agent.logged('connected to the broker');
  await vi.waitFor(async () => {
    const { status, gpus } = await broker.admin.call('GET /nodes/{id}', { params: { id: nodeId } });
    expect({ status, gpus: gpus.map(({ uuid }) => uuid) }).toEqual({
      status: 'healthy',
      gpus: agent.driver.state.gpus.map(({ uuid }) => uuid),
    });
  }, patience);
}

/** The agent gives up, and says why. */
async function refused(agent: FakeAgent, code: string): Promise<void> {
  expect(await agent.exited).toBe(1);
  expect(agent.output.join('\n')).toContain(code);
}

/** How often the token of a node was used. */
async function uses(nodeId: string): Promise<number | undefined> {
  const { items } = await broker.admin.call('GET /clusters/{id}/enrolment-tokens', { params: { id: clusterId } });
  return items.find(({ node_id }) => node_id === nodeId)?.uses;
}
