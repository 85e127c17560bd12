// P5, storage: how many trades a second the commit pipeline makes durable, and how long each takes, for several sizes of
// a batch. Each trade is a bid for one GPU against the standing ask of one of many nodes, in a real PostgreSQL with
// fsync on; beside it stands what a bare fdatasync takes on the same disk.
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Registry } from 'prom-client';
import { createPipeline, type RunningPipeline } from '../../src/broker/commit/pipeline.ts';
import { createEngine } from '../../src/broker/engine/engine.ts';
import { newId } from '../../src/broker/ids.ts';
import { openDatabase } from '../../src/broker/storage/database.ts';
import { migrate } from '../../src/broker/storage/migrator.ts';
import { createLog } from '../../src/daemon/logger.ts';
import { startTestPostgres } from '../../test/fixtures/postgres.ts';
import { cpuTime, processTree } from '../device-api/processes.ts';
import { quantile } from '../device-api/statistics.ts';
import { bid, million, nodeWith, priced } from './orders-of-bench.ts';

const usage = `node bench/market/trades.ts [--quick] [--strict] [--seconds S] [--batches N,N]

Measures P5: trades a second through the commit pipeline, on a disk.

  --seconds S     for each size of a batch; 15
  --batches N,N   commands of a batch, at most; 50,250,500
  --quick         3 seconds
  --strict        a missed budget fails the run
`;

const { values: given } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    strict: { type: 'boolean', default: false },
    seconds: { type: 'string' },
    batches: { type: 'string', default: '50,250,500' },
  },
});
if (given.help) {
  process.stdout.write(usage);
  process.exit(0);
}
const seconds = Number(given.seconds ?? (given.quick ? '3' : '15'));
const batches = given.batches.split(',').map(Number);
if (![seconds, ...batches].every((value) => value > 0)) {
  process.stderr.write(usage);
  process.exit(2);
}
/** Trades a second. */
const budget = 10_000;
const gpusOfNode = 64;
const accountCount = 1_000;
/** More than can be sold in a run. */
const gpus = 20_000 * (seconds + 2);

interface Run {
  readonly batch: number;
  readonly rate: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  /** Microseconds of CPU for a trade. */
  readonly brokerCpu: number;
  readonly postgresCpu: number;
}

const measured: Run[] = [];
for (const batch of batches) measured.push(await measure(batch));
await report(measured);

/** Each on a server of its own, so that none begins with the rows of another. */
async function measure(batch: number): Promise<Run> {
  const server = await startTestPostgres({ shared_buffers: "'256MB'", max_wal_size: "'1GB'", wal_compression: 'pglz' });
  const database = openDatabase({ url: server.url });
  try {
    await migrate(database.db);
    const pipeline = createPipeline({
      url: server.url,
      epoch: () => 0,
      createEngine,
      now: () => Date.now(),
      log: createLog({ daemon: 'bench', node: '', level: 'warn', format: 'text' }).log,
      registry: new Registry(),
      mostInBatch: batch,
    });
    await pipeline.start();
    const accounts = await fill(pipeline);
    await trade(pipeline, accounts, 2 * batch, 1_000);
    const cpu = process.cpuUsage();
    const postgres = cpuTime(processTree(server.pid));
    const started = performance.now();
    const times = await trade(pipeline, accounts, 2 * batch, seconds * 1000);
    const took = performance.now() - started;
    const { user, system } = process.cpuUsage(cpu);
    const postgresCpu = (cpuTime(processTree(server.pid)) - postgres) / times.length;
    await pipeline.stop();
    const sorted = times.sort((a, b) => a - b);
    const at = (share: number) => quantile(sorted, share);
    const rate = (times.length / took) * 1000;
    process.stderr.write(`batches of ${batch}: ${rate.toFixed(0)} trades/s\n`);
    const brokerCpu = (user + system) / times.length;
    return { batch, rate, p50: at(0.5), p95: at(0.95), p99: at(0.99), brokerCpu, postgresCpu };
  } finally {
    await database.close();
    await server.remove();
  }
}

/** Nodes with standing asks, and accounts with money. */
async function fill(pipeline: RunningPipeline): Promise<string[]> {
  const submit = (command: Parameters<RunningPipeline['submit']>[0]['command']) =>
    pipeline.submit({ command, actor: null });
  const nodes = Array.from({ length: Math.ceil(gpus / gpusOfNode) }, () => nodeWith(gpusOfNode));
  const accounts = Array.from({ length: accountCount }, () => newId());
  for (let start = 0; start < nodes.length; start += 1_000) {
    const some = nodes.slice(start, start + 1_000);
    await Promise.all(some.map((node) => submit({ kind: 'supply', node })));
    const prices = some.map(({ nodeId }, index) => priced(nodeId, 2 * million + (index % 100) * 1_000));
    await Promise.all(prices.map((pricing) => submit({ kind: 'set-pricing', pricing })));
  }
  const deposit = (accountId: string) => ({ id: newId(), accountId, amount: 1e12, reference: 'bench' });
  await Promise.all(accounts.map((accountId) => submit({ kind: 'deposit', ...deposit(accountId) })));
  return accounts;
}

/** So many callers, each with one order at a time. @returns how long each took, in milliseconds */
async function trade(pipeline: RunningPipeline, accounts: string[], callers: number, duration: number) {
  const times: number[] = [];
  const until = performance.now() + duration;
  const caller = async (number: number) => {
    const accountId = accounts[number % accounts.length] ?? '';
    for (let now = performance.now(); now < until; now = performance.now()) {
      const command = { kind: 'place', order: bid(accountId) } as const;
      const { order } = await pipeline.submit({ command, actor: { accountId, userId: accountId } });
      if (order?.status !== 'filled') throw new Error(`an order is ${order?.status}, not filled`);
      times.push(performance.now() - now);
    }
  };
  await Promise.all(Array.from({ length: callers }, (_, number) => caller(number)));
  return times;
}

/** Milliseconds of an fdatasync after each 64 KiB, at the median and the 99th percentile. */
async function bareSync(): Promise<[number, number]> {
  const path = join(process.env.TMPDIR ?? '/tmp', `gpubroker-fdatasync-${process.pid}`);
  const file = await open(path, 'w');
  const times: number[] = [];
  for (let count = 0; count < 200; count++) {
    await file.write(Buffer.alloc(65_536, count));
    const started = performance.now();
    await file.datasync();
    times.push(performance.now() - started);
  }
  await file.close();
  await rm(path);
  times.sort((a, b) => a - b);
  return [quantile(times, 0.5), quantile(times, 0.99)];
}

async function report(runs: readonly Run[]): Promise<void> {
  const [p50, p99] = await bareSync();
  const lines = runs.map(
    (run) =>
      `batches of ${run.batch}: ${run.rate.toFixed(0)} trades/s; order to durable trade p50 ${run.p50.toFixed(1)} ms, ` +
      `p95 ${run.p95.toFixed(1)} ms, p99 ${run.p99.toFixed(1)} ms; CPU of a trade: broker ${run.brokerCpu.toFixed(0)} µs, ` +
      `PostgreSQL ${run.postgresCpu.toFixed(0)} µs`,
  );
  const isMet = runs.some(({ rate }) => rate >= budget);
  process.stdout.write(
    `${lines.join('\n')}\nfdatasync of 64 KiB on the same disk: p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms\n` +
      `budget: ${budget} trades/s: ${isMet ? 'met' : 'MISSED'}\n`,
  );
  if (given.strict && !isMet) process.exitCode = 1;
}
