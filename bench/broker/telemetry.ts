// P7, storage: how many samples a second the telemetry store takes, from messages as they come over the wire to rows
// that are committed in a real PostgreSQL with fsync on. A sample is one GPU's reading of seven values, or with --full of
// all sixteen that a node may send.
//
//   node bench/broker/telemetry.ts [--quick] [--strict] [--full] [--runs 5] [--rounds 60] [--nodes 1000]
import { parseArgs } from 'node:util';
import { Registry } from 'prom-client';
import { newId } from '../../src/broker/ids.ts';
import { openDatabase } from '../../src/broker/storage/database.ts';
import { migrate } from '../../src/broker/storage/migrator.ts';
import { createPartitionsAhead } from '../../src/broker/telemetry/retention.ts';
import { startTelemetryStore, type TelemetryStore } from '../../src/broker/telemetry/store.ts';
import { createLog } from '../../src/daemon/logger.ts';
import { type Sample, Telemetry } from '../../src/wire/gpubroker/node/v1/node_link.ts';
import { startTestPostgres } from '../../test/fixtures/postgres.ts';
import { cpuTime, processTree } from '../device-api/processes.ts';
import { sample } from '../device-api/statistics.ts';

const budget = 300_000;
const gpus = 8;
/** Rounds that a node may send ahead of what is stored. */
const window = 8;

const { values: given } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    strict: { type: 'boolean', default: false },
    full: { type: 'boolean', default: false },
    runs: { type: 'string' },
    rounds: { type: 'string' },
    nodes: { type: 'string', default: '1000' },
  },
});
const runs = Number(given.runs ?? (given.quick ? 2 : 5));
const rounds = Number(given.rounds ?? (given.quick ? 24 : 64));
const nodes = Number(given.nodes);

interface Run {
  readonly samplesPerSecond: number;
  /** Cores. */
  readonly brokerCpu: number;
  readonly postgresCpu: number;
}

const server = await startTestPostgres({ shared_buffers: "'256MB'", max_wal_size: "'2GB'" });
const database = openDatabase({ url: server.url });
try {
  await migrate(database.db);
  await createPartitionsAhead(database.pool, Date.now());
  const nodeIds = await createNodes();
  const store = startTelemetryStore({
    pool: database.pool,
    log: createLog({ daemon: 'bench', node: '', level: 'warn', format: 'text' }).log,
    now: () => new Date(),
    registry: new Registry(),
    retention: 48 * 3_600_000,
  });
  const measured: Run[] = [];
  for (let run = 0; run <= runs; run++) {
    const messages = encode(nodeIds, run * rounds);
    const figures = await measure(store, messages);
    process.stderr.write(`${run === 0 ? 'warm-up' : `run ${run}`}: ${figures.samplesPerSecond.toFixed(0)} samples/s\n`);
    // The first warms the code and the caches up.
    if (run > 0) measured.push(figures);
  }
  await store.stop();
  const { rows } = await database.pool.query('select count(*)::int as count from telemetry');
  const expected = (runs + 1) * rounds * nodes;
  if (rows[0].count !== expected) throw new Error(`${rows[0].count} rows are stored, not ${expected}`);
  const size = "select sum(pg_total_relation_size(relid))::bigint as bytes from pg_partition_tree('telemetry')";
  const { bytes } = (await database.pool.query(size)).rows[0];
  report(measured, bytes / (expected * gpus));
} finally {
  await database.close();
  await server.remove();
}

async function createNodes(): Promise<string[]> {
  const ids = Array.from({ length: nodes }, () => newId());
  const { pool } = database;
  const [account, provider, cluster] = [newId(), newId(), newId()];
  await pool.query("insert into accounts values ($1, 'bench', now())", [account]);
  await pool.query(
    `insert into providers (id, account_id, name, company, status, kyc_data, created_at, status_changed_at)
     values ($1, $2, 'bench', 'bench', 'verified', '{}', now(), now())`,
    [provider, account],
  );
  await pool.query("insert into clusters values ($1, $2, 'bench', 'bench', '{}', now())", [cluster, provider]);
  await pool.query(
    `insert into nodes (id, cluster_id, hostname, declared_gpus, created_at, status_since, spool_id)
     select id, $2, id::text, '[]', now(), now(), 'spool' from unnest($1::uuid[]) as id`,
    [ids, cluster],
  );
  return ids;
}

/** The messages of each node, in order, as they come over the wire. */
function encode(nodeIds: readonly string[], after: number): Map<string, Uint8Array[]> {
  const start = Date.now() - 3_600_000;
  return new Map(
    nodeIds.map((nodeId) => {
      const names = Array.from({ length: gpus }, (_, place) => `gpu-${nodeId.slice(0, -1)}${place}`);
      const messages = Array.from({ length: rounds }, (_, place) => {
        const sequence = after + place + 1;
        return Telemetry.encode({
          sequence: BigInt(sequence),
          time: new Date(start + sequence * 5_000),
          samples: names.map((gpu, index) => ({
            gpu,
            utilizationPercent: (sequence + index * 7) % 101,
            memoryUtilizationPercent: (sequence + index * 3) % 101,
            memoryUsedBytes: 70_000_000_000n + BigInt(sequence * 4096),
            temperatureCelsius: 55 + ((sequence + index) % 20),
            powerMilliwatts: 650_000 + sequence * 10,
            smMhz: 1_980,
            memoryMhz: 2_619,
            ...(given.full && details(sequence, index)),
          })),
        }).finish();
      });
      return [nodeId, messages];
    }),
  );
}

function details(sequence: number, index: number): Partial<Sample> {
  return {
    memoryTemperatureCelsius: 65 + ((sequence + index) % 20),
    energyJoules: 9_000_000 + sequence * 3_250.5,
    throttleBits: (sequence + index) % 5 === 0 ? 4 : undefined,
    pcieTxKilobytes: 6_000_000 + sequence * 17,
    pcieRxKilobytes: 12_000_000 + sequence * 31,
    nvlinkTxKilobytes: 40_000_000 + sequence * 13,
    nvlinkRxKilobytes: 39_000_000 + sequence * 11,
    eccCorrected: sequence % 100,
    eccUncorrected: 0,
  };
}

async function measure(store: TelemetryStore, messages: Map<string, Uint8Array[]>): Promise<Run> {
  const postgres = () => cpuTime(processTree(server.pid));
  const before = { time: performance.now(), cpu: process.cpuUsage(), postgres: postgres() };
  await Promise.all([...messages].map(([nodeId, all]) => sendAll(store, nodeId, all)));
  const seconds = (performance.now() - before.time) / 1000;
  const { user, system } = process.cpuUsage(before.cpu);
  return {
    samplesPerSecond: (messages.size * rounds * gpus) / seconds,
    brokerCpu: (user + system) / 1e6 / seconds,
    postgresCpu: (postgres() - before.postgres) / 1e6 / seconds,
  };
}

/** As a node's stream does: decodes each message by itself, and keeps a window of them on the way. */
async function sendAll(store: TelemetryStore, nodeId: string, messages: readonly Uint8Array[]): Promise<void> {
  const underWay: Promise<void>[] = [];
  for (const message of messages) {
    underWay.push(store.add(nodeId, 'spool', [Telemetry.decode(message)]));
    if (underWay.length >= window) await underWay.shift();
  }
  await Promise.all(underWay);
}

function report(measured: readonly Run[], bytesPerSample: number): void {
  const rate = sample(measured.map(({ samplesPerSecond }) => samplesPerSecond));
  const cores = (of: (run: Run) => number) =>
    `${sample(measured.map(of)).median.toFixed(2)} (${sample(measured.map((run) => (of(run) * 1e6) / run.samplesPerSecond)).median.toFixed(2)} µs a sample)`;
  const isMet = rate.median >= budget;
  process.stdout.write(
    `P7 telemetry stored${given.full ? ', all values' : ''}: ${rate.median.toFixed(0)} samples/s (${rate.min.toFixed(0)}–${rate.max.toFixed(0)}), ` +
      `${(rate.median / gpus).toFixed(0)} rows/s of ${gpus} GPUs; budget ≥ ${budget}: ${isMet ? 'met' : 'MISSED'}\n` +
      `CPU in cores: broker ${cores(({ brokerCpu }) => brokerCpu)}, ` +
      `PostgreSQL ${cores(({ postgresCpu }) => postgresCpu)}; ` +
      `${runs} runs of ${rounds} rounds of ${nodes} nodes; Node ${process.version}\n` +
      `on disk: ${bytesPerSample.toFixed(0)} bytes a sample, with the index\n`,
  );
  if (given.strict && !isMet) process.exitCode = 1;
}
