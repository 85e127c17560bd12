// P5: how long an order takes through the HTTP API until its trade is durable, at rates that do not wait for answers.
//
// Server, database and load are processes of their own on one machine. Each order is a bid for one GPU, placed on a
// node, that trades with the standing ask of one of many nodes; it is answered when order, trade, hold and money are in
// a PostgreSQL with fsync on. Beside it stands what a bare fdatasync takes on the same disk.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { openDatabase } from '../../src/broker/storage/database.ts';
import { startTestPostgres } from '../../test/fixtures/postgres.ts';
import { cpuTime, processTree } from '../device-api/processes.ts';
import { quantile } from '../device-api/statistics.ts';
import type { LoadOrder, LoadReport } from './orders-load.ts';
import type { ServerOrder, Serving } from './orders-server.ts';

const usage = `node bench/market/orders.ts [--quick] [--strict] [--rates N,N] [--seconds S] [--processes N]

Measures P5: the time from when an order was due until it was answered with its trade.

  --rates N,N    orders a second; 1000,5000
  --seconds S    of each rate; 30
  --processes N  load processes; 2
  --quick        3 seconds
  --strict       a missed budget fails the run
`;

const { values: given } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    strict: { type: 'boolean', default: false },
    rates: { type: 'string', default: '1000,5000' },
    seconds: { type: 'string' },
    processes: { type: 'string', default: '2' },
  },
});
if (given.help) {
  process.stdout.write(usage);
  process.exit(0);
}
const rates = given.rates.split(',').map(Number);
const seconds = Number(given.seconds ?? (given.quick ? '3' : '30'));
const processes = Number(given.processes);
if (![...rates, seconds, processes].every((value) => value > 0)) {
  process.stderr.write(usage);
  process.exit(2);
}

const warmUp = { rate: 500, seconds: Math.min(10, seconds) };
/** Of all load processes together; what is due while all wait is sent late, and counted from when it was due. */
const connections = 512;
/** Milliseconds. */
const most = 50;
const timesOfDisk = 3;

const phases = [warmUp, ...rates.map((rate) => ({ rate, seconds }))];
const orders = phases.reduce((sum, phase) => sum + phase.rate * phase.seconds, 0);
const postgres = await startTestPostgres({ shared_buffers: "'256MB'", max_wal_size: "'4GB'" });
const server = fork(join(import.meta.dirname, 'orders-server.ts'));
const loads = Array.from({ length: processes }, () => fork(join(import.meta.dirname, 'orders-load.ts')));
try {
  say(`making the market for ${orders} orders`);
  const nodes = Math.ceil((orders * 1.1) / 8);
  // So many that none comes near its limit of requests a minute.
  const order: ServerOrder = { databaseUrl: postgres.url, nodes, keys: Math.max(64, Math.ceil(orders / 2_000)) };
  server.send(order);
  const serving = await answer<Serving>(server);
  let traded = 0;
  let unknown = 0;
  for (const [place, phase] of phases.entries()) {
    const disk = await bareSync(postgres.folder);
    const before = cpuNow();
    const reports = await Promise.all(loads.map((load, at) => loadWith(load, serving, phase, place * 100 + at)));
    traded += reports.reduce((sum, report) => sum + report.traded, 0);
    if (place > 0) report(phase.rate, reports, disk, usageSince(before));
    for (const [name, count] of reports.flatMap(({ others }) => Object.entries(others))) {
      say(`  ${count} × ${name}`);
      if (name.startsWith('503')) unknown += count;
    }
    await sleep(1_000);
  }
  await compare(traded, unknown);
} finally {
  for (const load of loads) load.kill();
  await stopped();
  await postgres.remove();
}

/** A server that has served ends by itself. */
async function stopped(): Promise<void> {
  if (server.exitCode !== null) return;
  const gone = once(server, 'exit');
  server.send('stop');
  await gone;
}

async function answer<Message>(child: ChildProcess): Promise<Message> {
  const gone = once(child, 'exit').then(() => Promise.reject(new Error('a process ended')));
  const [message] = (await Promise.race([once(child, 'message'), gone])) as [Message];
  return message;
}

function loadWith(
  load: ChildProcess,
  { url, keys }: Serving,
  phase: { rate: number; seconds: number },
  seed: number,
): Promise<LoadReport> {
  const share = { rate: phase.rate / processes, connections: Math.ceil(connections / processes) };
  load.send({ url, keys, seconds: phase.seconds, ...share, seed: seed * 7_919 + 1 } satisfies LoadOrder);
  return answer<LoadReport>(load);
}

/** Milliseconds that appending a page and fdatasync take on the disk of the database, while nothing else does. */
async function bareSync(folder: string): Promise<number[]> {
  const path = join(folder, 'sync');
  const file = await open(path, 'w');
  const page = Buffer.alloc(8_192, 1);
  const took: number[] = [];
  const end = performance.now() + 2_000;
  while (performance.now() < end) {
    const start = performance.now();
    await file.write(page);
    await file.datasync();
    took.push(performance.now() - start);
  }
  await file.close();
  await rm(path);
  return took.sort((a, b) => a - b);
}

interface Usage {
  readonly time: number;
  readonly server: number;
  readonly postgres: number;
}

function cpuNow(): Usage {
  const of = (pid: number | undefined) => cpuTime(processTree(pid ?? 0));
  return { time: performance.now(), server: of(server.pid), postgres: of(postgres.pid) };
}

/** Cores. */
function usageSince(before: Usage): Pick<Usage, 'server' | 'postgres'> {
  const now = cpuNow();
  const microseconds = (now.time - before.time) * 1000;
  return {
    server: (now.server - before.server) / microseconds,
    postgres: (now.postgres - before.postgres) / microseconds,
  };
}

function report(
  rate: number,
  reports: readonly LoadReport[],
  disk: number[],
  cpu: Pick<Usage, 'server' | 'postgres'>,
): void {
  const latencies = reports.flatMap((one) => one.latencies).sort((a, b) => a - b);
  const traded = reports.reduce((sum, one) => sum + one.traded, 0);
  const at = (share: number) => quantile(latencies, share);
  const ms = (value: number) => `${value.toFixed(1)} ms`;
  const worstOfDisk = quantile(disk, 0.99);
  // At the lower rate the budget is the 95th percentile, at the higher one the 99th.
  const share = rate < 5_000 ? 0.95 : 0.99;
  const allowed = Math.max(most, timesOfDisk * worstOfDisk);
  const isMet = at(share) < allowed && traded === latencies.length;
  say(`P5 at ${rate} orders/s: ${latencies.length} orders in ${seconds} s, ${traded} traded`);
  say(`  order → durable trade: p50 ${ms(at(0.5))}, p95 ${ms(at(0.95))}, p99 ${ms(at(0.99))}, most ${ms(at(1))}`);
  say(`  bare fdatasync: p50 ${ms(quantile(disk, 0.5))}, p99 ${ms(worstOfDisk)}`);
  say(`  CPU: server ${cpu.server.toFixed(2)}, PostgreSQL ${cpu.postgres.toFixed(2)} cores`);
  say(`  budget: p${share * 100} < ${ms(allowed)}: ${isMet ? 'met' : 'MISSED'}`);
  if (!isMet && given.strict) process.exitCode = 1;
}

/** Every trade that was answered is there, and no other but those of orders whose answer said that it is not known. */
async function compare(answered: number, unknown: number): Promise<void> {
  const database = openDatabase({ url: postgres.url });
  const { rows } = await database.pool.query('select count(*)::int as trades from trades');
  await database.close();
  const { trades } = rows[0];
  if (trades < answered || trades > answered + unknown) {
    throw new Error(`${trades} trades are stored, ${answered} were answered, ${unknown} answers were 503`);
  }
  say(`every one of ${answered} trades that were answered is stored, and no other`);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
