// `gpubroker up` on a machine without a GPU: a broker of its own with simulated GPUs in its inventory, and its commands.
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type Client, createClient } from '../../src/client/client.ts';
import { type Endpoints, killDatabase, newBrokerFolder } from '../fixtures/broker-process.ts';
import { type DaemonProcess, startDaemon } from '../fixtures/daemon-process.ts';
import { freePorts } from '../fixtures/free-ports.ts';

const launcher = join(import.meta.dirname, '..', '..', 'bin', 'gpubroker');
const patience = { timeout: 60_000, interval: 100 };
const joinedMessage = 'the node has joined the broker';
const connectedMessage = 'connected to the broker';

const folder = newBrokerFolder();
const brokerFolder = join(folder, 'data-broker');
let flags: string[] = [];
let up: DaemonProcess;
beforeAll(async () => {
  const [http, nodeLink, metrics] = await freePorts(3);
  flags = [
    ...['--http-address', `127.0.0.1:${http}`],
    ...['--node-link-address', `127.0.0.1:${nodeLink}`],
    ...['--broker-metrics-address', `127.0.0.1:${metrics}`],
    ...['--nvml-library', '/nonexistent/libnvidia-ml.so.1', '--driver-root', '/nonexistent'],
    ...['--heartbeat-interval', '1s', '--shutdown-timeout', '10s'],
  ];
  start();
  await connected(1);
}, 120_000);
afterAll(async () => {
  await up?.remove();
  // Only where the test failed before it ended them.
  for (const pid of processesOf(folder)) process.kill(pid, 'SIGKILL');
  await killDatabase(brokerFolder);
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

test('it makes a provider, a cluster and a node, and its simulated GPUs are in the inventory as such', async () => {
  const client = admin();
  const providers = (await client.call('GET /providers', {})).items;
  expect(providers.map(({ name, status }) => [name, status])).toEqual([['local', 'verified']]);
  expect((await client.call('GET /clusters', {})).items.map(({ name, nodes }) => [name, nodes])).toEqual([
    ['local', 1],
  ]);
  await vi.waitFor(async () => {
    const { items } = await client.call('GET /nodes', {});
    expect(items.map(({ status, simulated, gpu_count }) => ({ status, simulated, gpu_count }))).toEqual([
      { status: 'healthy', simulated: true, gpu_count: 8 },
    ]);
  }, patience);
  const { items: gpus } = await client.call('GET /gpus', {});
  expect(gpus).toHaveLength(8);
  for (const { product, label, health } of gpus) {
    expect(product).toMatch(/^SIM-H100/);
    expect({ label, health }).toEqual({ label: 'simulated', health: 'healthy' });
  }
});

test('what only its operator may read is readable to nobody else', () => {
  for (const name of ['admin-api-key', 'up-token', 'ca.key']) {
    expect(statSync(join(brokerFolder, name)).mode & 0o077, name).toBe(0);
  }
});

test('the commands of the broker find it', async () => {
  expect(await gpubroker('providers', 'list')).toMatchObject({ code: 0, stdout: expect.stringContaining('local') });
  expect(await listedBy('nodes', 'list')).toHaveLength(1);
  const found = await listedBy('gpus', 'search');
  expect(found).toHaveLength(8);
  const audit = await gpubroker('audit', 'verify');
  expect(audit).toMatchObject({ code: 0, stdout: expect.stringContaining('as it was written') });
  expect(await gpubroker('whoami')).toMatchObject({ code: 0, stdout: expect.stringContaining('admin') });
});

test('its GPUs can be challenged, and have nothing to compute with', async () => {
  const [node] = (await admin().call('GET /nodes', {})).items;
  const challenged = await gpubroker('verifications', 'challenge', node?.id ?? '');
  expect(challenged.code).toBe(0);
  expect(challenged.stdout.match(/ unsupported /g)?.length).toBeGreaterThanOrEqual(8);
  const { items } = await admin().call('GET /verifications', { query: { kind: 'proof', outcome: 'unsupported' } });
  expect(new Set(items.map(({ gpu_id }) => gpu_id)).size).toBe(8);
  expect(new Set(items.map(({ label }) => label))).toEqual(new Set(['simulated']));
});

test('a broker that dies is started again, and the node comes back to it', async () => {
  const { pid } = endpoints();
  process.kill(pid, 'SIGKILL');
  await vi.waitFor(() => expect(endpoints().pid).not.toBe(pid), patience);
  await connected(2);
  await vi.waitFor(async () => expect(await statuses()).toEqual(['healthy']), patience);
  expect((await admin().call('GET /gpus', {})).items).toHaveLength(8);
}, 120_000);

test('SIGTERM ends all of it, and nothing of it is left', async () => {
  up.process.kill('SIGTERM');
  expect(await up.exited).toBe(0);
  await vi.waitFor(() => expect(processesOf(folder)).toEqual([]), patience);
}, 120_000);

test('started again, it is the same node, and no token was needed', async () => {
  up.client.close();
  start();
  await connected(1);
  expect(up.log.some(({ msg }) => msg === joinedMessage)).toBe(false);
  await vi.waitFor(async () => expect(await statuses()).toEqual(['healthy']), patience);
  const [cluster] = (await admin().call('GET /clusters', {})).items;
  const params = { id: cluster?.id ?? '' };
  const { items } = await admin().call('GET /clusters/{id}/enrolment-tokens', { params });
  expect(items.reduce((sum, { uses }) => sum + uses, 0)).toBe(1);
}, 120_000);

test('killed by kill -9 it leaves no broker behind, so that it can be started again', async () => {
  await up.kill();
  await vi.waitFor(() => expect(processesOf(folder)).toEqual([]), patience);
  up.client.close();
  start();
  await connected(1);
  await vi.waitFor(async () => expect(await statuses()).toEqual(['healthy']), patience);
  up.process.kill('SIGTERM');
  expect(await up.exited).toBe(0);
  await vi.waitFor(() => expect(processesOf(folder)).toEqual([]), patience);
}, 120_000);

function start(): void {
  up = startDaemon({ command: 'up', folder, flags });
}

/** Waits until this agent has connected so many times. */
async function connected(times: number): Promise<void> {
  // Rejects with what it wrote if it ends before.
  await up.logged(connectedMessage);
  await vi.waitFor(() => {
    expect(up.log.filter(({ msg }) => msg === connectedMessage).length, up.output.join('\n')).toBe(times);
  }, patience);
}

function endpoints(): Endpoints {
  return JSON.parse(readFileSync(join(brokerFolder, 'endpoints.json'), 'utf8')) as Endpoints;
}

function admin(): Client {
  const token = readFileSync(join(brokerFolder, 'admin-api-key'), 'utf8').trim();
  return createClient({ url: endpoints().http_url, token });
}

async function statuses(): Promise<string[]> {
  return (await admin().call('GET /nodes', {})).items.map(({ status }) => status);
}

/** What a command prints as JSON. */
async function listedBy(...args: string[]): Promise<unknown[]> {
  const { code, stdout, stderr } = await gpubroker(...args, '--json');
  expect(code, stderr).toBe(0);
  const printed = JSON.parse(stdout) as unknown[] | { items: unknown[] };
  return Array.isArray(printed) ? printed : printed.items;
}

function gpubroker(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const access = ['--broker', endpoints().http_url, '--api-key-file', join(brokerFolder, 'admin-api-key')];
  return new Promise((resolve) => {
    execFile(
      launcher,
      [...args, ...access],
      { env: { PATH: process.env.PATH, HOME: folder } },
      (error, stdout, stderr) => {
        resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
      },
    );
  });
}

/** Processes that were started with something in a folder, or that work in it, as those of PostgreSQL do. */
function processesOf(path: string): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && pid !== process.pid)
    .filter((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
        return command.includes(path) || readlinkSync(`/proc/${pid}/cwd`).startsWith(path);
      } catch {
        // It has ended meanwhile.
        return false;
      }
    });
}
