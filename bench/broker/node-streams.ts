// P7, streams: nodes, each on a TLS connection of its own from other processes, that beat at a broker on one core.
import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type BrokerProcess, removeBroker, startBroker } from '../../test/fixtures/broker-process.ts';
import { cpuTime } from '../device-api/processes.ts';
import { quantile } from '../device-api/statistics.ts';
import type { LoadOrder, LoadQuestion, LoadReport } from './node-streams-load.ts';

const usage = `node bench/broker/node-streams.ts [--quick] [--nodes N] [--processes N] [--seconds S] [--restart]

Measures the broker with many node streams: how fast nodes enrol and connect, what a beat and a stream cost, and how
long an answer takes. The broker is the built program (\`make build\`), with the database of its own on the other cores.

  --nodes N      nodes, each on a TLS connection of its own; 10,000
  --processes N  load processes; so many that each has at most 5,000 nodes, and at least 2
  --seconds S    how long to measure once all nodes stream; 60
  --restart      then also restart the broker, and measure how long all nodes take to come back
  --quick        200 nodes, 9 seconds
`;

const beatMs = 3_000;
/** Connections of one process stay far below its limit of open files, which is 20,000. */
const mostPerProcess = 5_000;

const { values: given } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    restart: { type: 'boolean', default: false },
    nodes: { type: 'string' },
    processes: { type: 'string' },
    seconds: { type: 'string' },
  },
});
if (given.help) {
  process.stdout.write(usage);
  process.exit(0);
}
const nodes = count('nodes', given.nodes ?? (given.quick ? '200' : '10000'));
const processes = count('processes', given.processes ?? String(Math.max(2, Math.ceil(nodes / mostPerProcess))));
const seconds = count('seconds', given.seconds ?? (given.quick ? '9' : '60'));

type Measured = Extract<LoadReport, { kind: 'measured' }>;

let broker = await startBroker();
const loads: ChildProcess[] = [];
try {
  pin(broker);
  const empty = residentMegabytes(broker);
  const token = await fleetToken();
  const joining = clock(broker);
  await Promise.all(Array.from({ length: processes }, (_, place) => connect(orderOf(place, token))));
  const joined = joining();
  say(`all connected after ${joined.seconds.toFixed(1)} s, ${perNode(joined.cpu, 'ms')} of CPU each`);
  const beating = clock(broker);
  const measured = await Promise.all(loads.map((load) => measure(load)));
  reportBeats(measured, beating());
  const full = residentMegabytes(broker);
  say(`memory: ${full.toFixed(0)} MB resident, ${(((full - empty) * 1000) / nodes).toFixed(0)} KB a stream`);
  if (given.restart) await restart();
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

function orderOf(place: number, token: string): LoadOrder {
  const share = Math.ceil(nodes / processes);
  const first = place * share;
  const count = Math.max(0, Math.min(share, nodes - first));
  return { url: broker.endpoints.node_link_url, ca: broker.ca, token, first, count, beatMs };
}

async function connect(order: LoadOrder): Promise<void> {
  const load = fork(join(import.meta.dirname, 'node-streams-load.ts'));
  loads.push(load);
  load.send(order);
  await next(load);
}

async function measure(load: ChildProcess): Promise<Measured> {
  load.send({ measureMs: seconds * 1000 } satisfies LoadQuestion);
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

async function restart(): Promise<void> {
  const { folder, endpoints } = broker;
  const back = loads.map((load) => {
    load.send('reconnected' satisfies LoadQuestion);
    return next(load);
  });
  const stopping = performance.now();
  await broker.stop();
  const stopped = performance.now();
  const address = new URL(endpoints.node_link_url).host;
  broker = await startBroker({ folder, flags: ['--node-link-address', address] });
  pin(broker);
  const time = clock(broker);
  await Promise.all(back);
  const { cpu, seconds: took } = time();
  say(`restart: stopped after ${((stopped - stopping) / 1000).toFixed(1)} s; all back ${took.toFixed(1)} s after the`);
  say(`  broker serves again, ${perNode(cpu, 'ms')} of CPU each`);
}

/** Every thread of the broker runs on one core; its database is a process of its own. */
function pin({ endpoints }: BrokerProcess): void {
  execFileSync('taskset', ['-a', '-c', '-p', '0', String(endpoints.pid)], { stdio: 'ignore' });
}

/** Returns what tells the time since now, and the CPU time that the broker has taken, in seconds. */
function clock({ endpoints }: BrokerProcess): () => { seconds: number; cpu: number } {
  const [time, cpu] = [performance.now(), cpuTime([endpoints.pid])];
  return () => ({
    seconds: (performance.now() - time) / 1000,
    cpu: (cpuTime([endpoints.pid]) - cpu) / 1e6,
  });
}

function perNode(cpu: number, unit: 'ms'): string {
  return `${((cpu * 1000) / nodes).toFixed(1)} ${unit}`;
}

function residentMegabytes({ endpoints }: BrokerProcess): number {
  const [, kilobytes = '0'] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${endpoints.pid}/status`, 'utf8')) ?? [];
  return Number(kilobytes) / 1024;
}

function reportBeats(measured: readonly Measured[], { seconds: took, cpu }: { seconds: number; cpu: number }): void {
  const trips = measured.flatMap(({ roundTrips }) => roundTrips).sort((a, b) => a - b);
  const total = (of: (one: Measured) => number) => measured.reduce((sum, one) => sum + of(one), 0);
  const at = (share: number) => `${quantile(trips, share).toFixed(1)} ms`;
  const beats = total((one) => one.beats);
  const missed = total((one) => one.missed);
  say(`P7 node streams: ${nodes} nodes from ${processes} processes, a beat every ${beatMs / 1000} s, ${seconds} s`);
  say(`broker: ${((cpu / took) * 100).toFixed(0)} % of one core, ${((cpu * 1e6) / beats).toFixed(0)} µs a beat`);
  say(`beats: ${beats}, missed ${missed}, streams broken ${total((one) => one.broken)}`);
  say(`round trip: p50 ${at(0.5)}, p95 ${at(0.95)}, p99 ${at(0.99)}`);
  if (missed > 0) process.exitCode = 1;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function count(name: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  process.stderr.write(`--${name} is a whole number above 0, not ${text}\n`);
  process.exit(2);
}
