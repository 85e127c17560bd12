// Measurements from end to end: a simulated GPU that is measured as this machine's OpenCL device, by the command line,
// through the agent, to the broker.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, vi } from 'vitest';
import { testWith } from '../capabilities.ts';
import { type BrokerProcess, removeBroker, startBroker } from '../fixtures/broker-process.ts';
import { newFolder } from '../fixtures/cache-server.ts';
import { newCluster, type RegisteredNode, registerNode } from '../fixtures/joined-agent.ts';
import { measuringProcesses, startSimulated, untilComputing } from '../fixtures/measured-agent.ts';

/** A measurement as the command line shows it. */
interface Kept {
  readonly id: string;
  readonly effort: string;
  readonly figures: readonly { readonly name: string; readonly samples: readonly number[] }[];
}

const launcher = join(import.meta.dirname, '..', '..', 'bin', 'gpubroker');
const patience = { timeout: 60_000, interval: 100 };
const test = testWith('opencl');
const beats = ['--heartbeat-interval', '1s'];

let broker: BrokerProcess;
let node: RegisteredNode;
let agent: Awaited<ReturnType<typeof startNode>>;
let gpu: string;
const folder = newFolder();

/** The node, joined to the broker. */
async function startNode() {
  const { node_link_url: url } = broker.endpoints;
  const token = join(folder, 'token');
  writeFileSync(token, `${node.token}\n`, { mode: 0o600 });
  const flags = ['--broker-url', url, '--broker-ca', broker.ca, '--onboarding-token-file', token];
  const started = await startSimulated('h200x1', 1, { folder, flags });
  await started.logged('connected to the broker');
  return started;
}

beforeAll(async () => {
  broker = await startBroker({ flags: beats });
  node = await registerNode(broker.admin, await newCluster(broker.admin), 'measured');
  agent = await startNode();
  gpu = agent.gpus[0] ?? '';
}, 120_000);
afterAll(async () => {
  await agent?.remove();
  if (broker) await removeBroker(broker);
}, 60_000);

function bench(...argv: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(launcher, ['bench', ...argv, '--socket', agent.socket], (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
    });
  });
}

/** What the node has kept, the newest first. */
async function kept(): Promise<Kept[]> {
  return JSON.parse((await bench('show', gpu, '--limit', '0', '--json')).stdout).measurements;
}

/** The ids of the measurements that the broker has of the node. */
async function received(): Promise<string[]> {
  const query = { node_id: node.nodeId, kind: 'measurement' } as const;
  return (await broker.admin.call('GET /verifications', { query })).items.map(({ id }) => id);
}

const quick = ['run', '--effort', 'quick', '--only', 'fp32,memory-latency,tensor-fp16'];

describe('a GPU', () => {
  test('is measured, shown and compared, and the broker has what came of it', { timeout: 120_000 }, async () => {
    const first = await bench(...quick);
    expect(first).toMatchObject({ code: 0, stderr: '' });
    expect(first.stdout).toMatch(new RegExp(`^${gpu} \\(.*\\): quick, opencl, simulated, .*\\nBENCHMARK `));
    expect(first.stdout).toMatch(/^fp32 +[\d.]+ TFLOP\/s .*\nmemory-latency +[\d.]+ ns /m);
    expect(first.stdout).toMatch(/^tensor-fp16 +unsupported/m);
    const { measurements } = JSON.parse((await bench(...quick, gpu, '--json')).stdout);
    expect(measurements).toMatchObject([{ gpu, label: 'simulated', agentVersion: expect.any(String) }]);
    const [newest, ...before] = await kept();
    expect(newest).toEqual(measurements[0]);
    expect(before).toHaveLength(1);
    const { figures } = JSON.parse((await bench('compare', gpu, '--json')).stdout);
    expect(figures.slice(0, 2)).toMatchObject([{ name: 'fp32' }, { name: 'memory-latency' }]);
    await vi.waitFor(async () => expect(await received()).toHaveLength(2), patience);
    const params = { id: newest?.id ?? '' };
    const { figures: stored } = await broker.admin.call('GET /verifications/{id}', { params });
    expect(stored.find(({ name }) => name === 'fp32')?.samples).toEqual(newest?.figures[0]?.samples);
  });

  test('that is measured while the broker is away arrives once both are back', { timeout: 180_000 }, async () => {
    await broker.stop();
    expect(await bench(...quick)).toMatchObject({ code: 0 });
    await agent.kill();
    const address = new URL(broker.endpoints.node_link_url).host;
    broker = await startBroker({ folder: broker.folder, flags: [...beats, '--node-link-address', address] });
    agent = await startNode();
    const ids = (await kept()).map(({ id }) => id);
    expect(ids).toHaveLength(3);
    await vi.waitFor(async () => expect((await received()).toSorted()).toEqual(ids.toSorted()), patience);
  });

  test('whose measurement is stopped by Ctrl-C is free again, and nothing is kept', { timeout: 120_000 }, async () => {
    const running = spawn(launcher, ['bench', 'run', '--effort', 'thorough', '--socket', agent.socket]);
    const ended = once(running, 'close');
    await untilComputing(agent);
    running.kill('SIGINT');
    expect((await ended)[0]).toBe(1);
    await vi.waitFor(() => expect(measuringProcesses(agent)).toEqual([]), patience);
    expect(await bench(...quick, gpu)).toMatchObject({ code: 0 });
    expect((await kept()).every(({ effort }) => effort === 'quick')).toBe(true);
  });
});
