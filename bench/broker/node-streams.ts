// P7, streams: nodes, each on a TLS connection of its own from other processes, that beat at a broker on one core.
//
//   node bench/broker/node-streams.ts [--quick] [--nodes 10000] [--processes 2] [--seconds 60]
//
// The broker is the built program (`make build`), with the database of its own on the other cores.
import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { removeBroker, startBroker } from '../../test/fixtures/broker-process.ts';
import { cpuTime } from '../device-api/processes.ts';
import { quantile } from '../device-api/statistics.ts';
import type { LoadOrder, LoadReport } from './node-streams-load.ts';

const beatMs = 3_000;
/** Connections of one process stay below its limit of open files, which is 20,000. */
const mostPerProcess = 8_000;

const { values: given } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    nodes: { type: 'string' },
    processes: { type: 'string' },
    seconds: { type: 'string' },
  },
});
const nodes = Number(given.nodes ?? (given.quick ? 200 : 10_000));
const processes = Number(given.processes ?? Math.max(2, Math.ceil(nodes / mostPerProcess)));
const seconds = Number(given.seconds ?? (given.quick ? 9 : 60));

type Measured = Extract<LoadReport, { kind: 'measured' }>;

const broker = await startBroker();
const loads: ChildProcess[] = [];
try {
  const { pid, node_link_url: url } = broker.endpoints;
  // Every thread of the broker, but not the database, which is a process of its own.
  execFileSync('taskset', ['-a', '-c', '-p', '0', String(pid)], { stdio: 'ignore' });
  const token = await fleetToken();
  const share = Math.ceil(nodes / processes);
  const started = performance.now();
  const connected = Array.from({ length: processes }, (_, place) => {
    const first = place * share;
    const count = Math.min(share, nodes - first);
    return connect({ url, ca: broker.ca, token, first, count, beatMs, measureMs: seconds * 1000 });
  });
  await Promise.all(connected);
  const connectSeconds = (performance.now() - started) / 1000;
  process.stderr.write(`${nodes} nodes are connected\n`);
  const before = { time: performance.now(), cpu: cpuTime([pid]) };
  const measured = await Promise.all(loads.map((load) => ask(load)));
  const cpu = (cpuTime([pid]) - before.cpu) / 1000 / (performance.now() - before.time);
  report(measured, connectSeconds, cpu, residentMegabytes(pid));
} finally {
  for (const load of loads) load.send('stop', () => undefined);
  await removeBroker(broker);
}

async function fleetToken(): Promise<string> {
  const provider = await post('/providers', { name: 'bench', company: 'bench', kyc_data: {} });
  const cluster = await post(`/providers/${provider.provider_id}/clusters`, {
    name: 'bench',
    region: 'bench',
    specs: {},
  });
  const expires_at = new Date(Date.now() + 3_600_000).toISOString();
  const { token } = await post(`/clusters/${cluster.cluster_id}/enrolment-tokens`, { max_uses: nodes, expires_at });
  if (!token) throw new Error('the broker gave no token');
  return token;
}

async function post(path: string, body: unknown): Promise<Record<string, string>> {
  const reply = await fetch(`${broker.endpoints.http_url}/api/v2${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${broker.adminKey}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!reply.ok) throw new Error(`POST ${path}: ${reply.status} ${await reply.text()}`);
  return (await reply.json()) as Record<string, string>;
}

async function connect(order: LoadOrder): Promise<void> {
  const load = fork(join(import.meta.dirname, 'node-streams-load.ts'));
  loads.push(load);
  load.send(order);
  await next(load);
}

async function ask(load: ChildProcess): Promise<Measured> {
  load.send('measure');
  const answer = await next(load);
  if (answer.kind !== 'measured') throw new Error(`a load process answered ${answer.kind}`);
  return answer;
}

async function next(load: ChildProcess): Promise<LoadReport> {
  const gone = once(load, 'exit').then(() => Promise.reject(new Error('a load process ended')));
  const [answer] = (await Promise.race([once(load, 'message'), gone])) as [LoadReport];
  if (answer.kind === 'failed') throw new Error(`a load process failed: ${answer.reason}`);
  return answer;
}

function residentMegabytes(pid: number): number {
  const [, kilobytes = '0'] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kilobytes) / 1024;
}

function report(measured: readonly Measured[], connectSeconds: number, cpu: number, megabytes: number): void {
  const trips = measured.flatMap(({ roundTrips }) => roundTrips).sort((a, b) => a - b);
  const total = (of: (one: Measured) => number) => measured.reduce((sum, one) => sum + of(one), 0);
  const at = (share: number) => `${quantile(trips, share).toFixed(1)} ms`;
  const beats = total((one) => one.beats);
  const missed = total((one) => one.missed);
  process.stdout.write(
    `P7 node streams: ${nodes} nodes from ${processes} processes, a beat every ${beatMs / 1000} s, ${seconds} s\n` +
      `all connected after ${connectSeconds.toFixed(1)} s\n` +
      `broker: ${(cpu * 100).toFixed(0)} % of one core, ${megabytes.toFixed(0)} MB resident\n` +
      `beats: ${beats}, missed ${missed}, streams broken ${total((one) => one.broken)}\n` +
      `round trip: p50 ${at(0.5)}, p95 ${at(0.95)}, p99 ${at(0.99)}\n`,
  );
  if (missed > 0) process.exitCode = 1;
}
