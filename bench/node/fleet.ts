// A fleet of simulated nodes on a real broker: what they cost both, and how long a fault takes to be known there.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createSimulatedSource } from '../../src/agent/devices/simulated/source.ts';
import { type BrokerProcess, removeBroker, startBroker } from '../../test/fixtures/broker-process.ts';
import { newCluster } from '../../test/fixtures/joined-agent.ts';
import { cpuTime } from '../device-api/processes.ts';
import { quantile } from '../device-api/statistics.ts';
import { type FleetOrder, faultsFile, nodeName } from './fleet-load.ts';

const usage = `node bench/node/fleet.ts [--quick] [--nodes N] [--processes N] [--seconds S] [--sick N] [--profile P]

Simulated nodes, many to a process, each with the agent's own inventory, cache and link on a TLS connection of its own,
join a broker (the built program: \`make build\`). Then some GPUs fall off the bus, and come back.

  --nodes N      500
  --processes N  load processes that share the nodes; 1
  --seconds S    how long to measure once all nodes stream; 60
  --sick N       nodes of which one GPU is lost; 50
  --profile P    dgx-h100, with eight GPUs a node
  --quick        50 nodes, 10 seconds, 10 sick
`;

const { values: given } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    nodes: { type: 'string' },
    processes: { type: 'string', default: '1' },
    seconds: { type: 'string' },
    sick: { type: 'string' },
    profile: { type: 'string', default: 'dgx-h100' },
  },
});
if (given.help) {
  process.stdout.write(usage);
  process.exit(0);
}
const nodes = Number(given.nodes ?? (given.quick ? 50 : 500));
const processes = Number(given.processes);
const seconds = Number(given.seconds ?? (given.quick ? 10 : 60));
const sick = Number(given.sick ?? (given.quick ? 10 : 50));
/** The place of the GPU that falls ill. */
const place = 3;
/** How long the broker may take to know of everything, in milliseconds. */
const patience = 120_000;

const { profile } = given;
const gpus = createSimulatedSource({ profile }).count();
const faultsFolder = mkdtempSync(join(tmpdir(), 'gpb-fleet-'));
const loads: ChildProcess[] = [];
const broker = await startBroker();
try {
  const token = await fleetToken(broker);
  const joining = clock();
  await Promise.all(Array.from({ length: processes }, (_, at) => connect(at, token)));
  const inventory = await known(nodes * gpus, ({ health }) => health === 'healthy');
  say(
    `${nodes} nodes with ${nodes * gpus} GPUs from ${processes} load process(es), 16 joining at a time: all known after ${joining().seconds.toFixed(1)} s`,
  );
  const before = await samples();
  const measured = clock();
  await sleep(seconds * 1_000);
  const { seconds: took, load, served } = measured();
  const stored = ((await samples()) - before) / took;
  say(`steady, ${took.toFixed(0)} s: ${stored.toFixed(0)} samples/s stored of ${((nodes * gpus) / 5).toFixed(0)} due`);
  say(
    `load: ${cores(load)}, ${megabytes(loads.map(({ pid = 0 }) => pid))}, ${((load * 1e6) / nodes).toFixed(0)} µs of CPU a node and second`,
  );
  say(`broker: ${cores(served)}, ${megabytes([broker.endpoints.pid])}`);
  const ill = await change({ [place]: { lost: true }, events: [{ gpu: place, xid: 79 }] }, 'unhealthy', inventory);
  say(
    `${sick} GPUs lost with XID 79: in the broker after p50 ${ill(0.5)}, p99 ${ill(0.99)}, last ${ill(1)}; no other GPU changed`,
  );
  const well = await change({ [place]: { resetAtMs: Date.now() } }, 'healthy', inventory);
  say(`${sick} GPUs back after a reset: in the broker after p50 ${well(0.5)}, p99 ${well(0.99)}, last ${well(1)}`);
} finally {
  for (const load of loads) load.send('stop', () => undefined);
  await removeBroker(broker);
  rmSync(faultsFolder, { recursive: true, force: true });
}

async function fleetToken({ admin }: BrokerProcess): Promise<string> {
  const params = { id: await newCluster(admin) };
  const expires_at = new Date(Date.now() + 3_600_000).toISOString();
  const { token } = await admin.call('POST /clusters/{id}/enrolment-tokens', {
    params,
    body: { max_uses: nodes, expires_at },
  });
  return token;
}

async function connect(at: number, token: string): Promise<void> {
  const share = Math.ceil(nodes / processes);
  const first = at * share;
  const count = Math.max(0, Math.min(share, nodes - first));
  const load = fork(join(import.meta.dirname, 'fleet-load.ts'));
  loads.push(load);
  const { node_link_url: url } = broker.endpoints;
  load.send({ url, ca: broker.ca, token, first, count, profile, faultsFolder } satisfies FleetOrder);
  const gone = once(load, 'exit').then(() => Promise.reject(new Error('a load process ended')));
  await Promise.race([once(load, 'message'), gone]);
}

/** Follows the changes until so many GPUs are as they should be; returns the last change that was read. */
async function known(count: number, isSo: (gpu: Record<string, unknown>) => boolean): Promise<number> {
  const seen = new Set<unknown>();
  let after = 0;
  for await (const { gpu, seq } of changes(0)) {
    after = seq;
    if (isSo(gpu)) seen.add(gpu.uuid);
    if (seen.size >= count) return after;
  }
  throw new Error(`${seen.size} of ${count} GPUs are known`);
}

/** Gives all sick nodes these faults, and measures until the broker knows each of their GPUs in that health. */
async function change(faults: object, health: string, after: number): Promise<(share: number) => string> {
  const since = await latest(after);
  const began = new Map<string, number>();
  for (let number = 0; number < sick; number++) {
    const { uuid } = createSimulatedSource({ profile, nodeName: nodeName(number) }).read(place);
    const file = faultsFile(faultsFolder, number);
    writeFileSync(`${file}.new`, JSON.stringify(faults));
    began.set(uuid.toLowerCase(), performance.now());
    renameSync(`${file}.new`, file);
  }
  const times: number[] = [];
  for await (const { gpu } of changes(since)) {
    if (gpu.health !== health) continue;
    const uuid = String(gpu.uuid).toLowerCase();
    const start = began.get(uuid);
    if (start === undefined) throw new Error(`${uuid} turned ${health}, though nothing befell it`);
    if (!Number.isNaN(start)) times.push(performance.now() - start);
    began.set(uuid, Number.NaN);
    if (times.length === sick) break;
  }
  if (times.length < sick) throw new Error(`${times.length} of ${sick} GPUs are ${health}`);
  times.sort((a, b) => a - b);
  return (share) => `${quantile(times, share).toFixed(0)} ms`;
}

/** What the change stream says of GPUs, as it comes. */
async function* changes(since: number): AsyncGenerator<{ gpu: Record<string, unknown>; seq: number }> {
  let after = since;
  for (const end = performance.now() + patience; performance.now() < end; ) {
    const { items, next } = await broker.admin.call('GET /inventory/changes', { query: { after, limit: 500 } });
    for (const { kind, data, seq } of items) if (kind.startsWith('gpu.')) yield { gpu: data, seq };
    after = next;
    if (items.length === 0) await sleep(20);
  }
}

async function latest(after: number): Promise<number> {
  for (let from = after; ; ) {
    const { items, next } = await broker.admin.call('GET /inventory/changes', { query: { after: from, limit: 500 } });
    if (items.length === 0) return from;
    from = next;
  }
}

/** Readings of GPUs that the broker has stored. */
async function samples(): Promise<number> {
  const { body } = await broker.health('/metrics');
  return Number(/^gpubroker_telemetry_samples_total (\S+)$/m.exec(body)?.[1] ?? 0);
}

/** Returns what tells the time since now, and the cores that each part has used. */
function clock() {
  const now = () => {
    return {
      time: performance.now(),
      load: cpuTime(loads.map(({ pid = 0 }) => pid)),
      served: cpuTime([broker.endpoints.pid]),
    };
  };
  const before = now();
  return () => {
    const after = now();
    const took = (after.time - before.time) / 1_000;
    const used = (part: 'load' | 'served') => (after[part] - before[part]) / 1e6 / took;
    return { seconds: took, load: used('load'), served: used('served') };
  };
}

function cores(used: number): string {
  return `${used.toFixed(2)} cores`;
}

function megabytes(pids: readonly number[]): string {
  const resident = pids.map((pid) => /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '0');
  return `${(resident.reduce((sum, one) => sum + Number(one), 0) / 1024).toFixed(0)} MB resident`;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
