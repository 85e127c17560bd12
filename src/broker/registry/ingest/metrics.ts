// The metrics of the ingest and of what is in the inventory.

import { sql } from 'kysely';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Database } from '../../storage/database.ts';

export interface IngestMetrics {
  committed(entries: number, seconds: number): void;
  /** So many messages were refused for good because they could not be stored. */
  failed(entries?: number): void;
  /** A transaction failed and is tried again. */
  retried(): void;
  beat(): void;
}

interface MetricsSource {
  readonly registry: Registry;
  readonly database: Database;
  /** Entries that wait. */
  readonly queueLength: () => number;
}

/** How long a count of the inventory is good for, in milliseconds: it reads many rows. */
const countLifetime = 15_000;

export function createIngestMetrics({ registry, database, queueLength }: MetricsSource): IngestMetrics {
  const registers = [registry];
  const counts = cachedCounts(database);
  new Gauge({
    name: 'gpubroker_nodes',
    help: 'Registered nodes, by status.',
    labelNames: ['status'],
    registers,
    async collect() {
      set(this, 'status', (await counts()).nodes);
    },
  });
  new Gauge({
    name: 'gpubroker_gpus',
    help: 'GPUs in the inventory, by health; unknown where the node is offline.',
    labelNames: ['health'],
    registers,
    async collect() {
      set(this, 'health', (await counts()).gpus);
    },
  });
  new Gauge({
    name: 'gpubroker_ingest_queue_length',
    help: 'Messages of nodes that wait to be stored, or are being stored.',
    registers,
    collect() {
      this.set(queueLength());
    },
  });
  const seconds = new Histogram({
    name: 'gpubroker_ingest_batch_seconds',
    help: 'How long a batch of messages took to be stored, in seconds.',
    buckets: [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10],
    registers,
  });
  const sizes = new Histogram({
    name: 'gpubroker_ingest_batch_size',
    help: 'Messages in a batch.',
    buckets: [1, 4, 16, 64, 256],
    registers,
  });
  const errors = new Counter({
    name: 'gpubroker_ingest_errors_total',
    help: 'Transactions that were tried again (retried) and messages that could not be stored (failed).',
    labelNames: ['outcome'],
    registers,
  });
  const beats = new Counter({ name: 'gpubroker_heartbeats_total', help: 'Heartbeats of nodes.', registers });
  return {
    committed: (entries, took) => {
      seconds.observe(took);
      sizes.observe(entries);
    },
    failed: (entries = 1) => errors.inc({ outcome: 'failed' }, entries),
    retried: () => errors.inc({ outcome: 'retried' }),
    beat: () => beats.inc(),
  };
}

interface Counts {
  readonly nodes: Readonly<Record<string, number>>;
  readonly gpus: Readonly<Record<string, number>>;
}

/** Counts at most every so often; while the database is away the last counts stand. */
function cachedCounts(database: Database): () => Promise<Counts> {
  let counts: Counts = { nodes: {}, gpus: {} };
  let until = 0;
  let running: Promise<void> | undefined;
  return async () => {
    if (performance.now() >= until) {
      running ??= countInventory(database)
        .then((found) => {
          counts = found;
          until = performance.now() + countLifetime;
        })
        .catch(() => undefined)
        .finally(() => {
          running = undefined;
        });
      await running;
    }
    return counts;
  };
}

async function countInventory(database: Database): Promise<Counts> {
  const nodes = await sql<{ word: string; count: number }>`
    select status as word, count(*) from nodes where decommissioned_at is null group by status
  `.execute(database);
  const gpus = await sql<{ word: string; count: number }>`
    select case when nodes.status = 'offline' then 'unknown' else gpus.health end as word, count(*)
    from gpus join nodes on nodes.id = gpus.node_id where gpus.removed_at is null group by 1
  `.execute(database);
  const table = (rows: readonly { word: string; count: number }[]) =>
    Object.fromEntries(rows.map(({ word, count }) => [word, count]));
  return {
    nodes: { healthy: 0, degraded: 0, offline: 0, ...table(nodes.rows) },
    gpus: { healthy: 0, unhealthy: 0, unknown: 0, ...table(gpus.rows) },
  };
}

function set<Label extends string>(gauge: Gauge<Label>, label: Label, counts: Readonly<Record<string, number>>): void {
  for (const [word, count] of Object.entries(counts)) gauge.set({ [label]: word } as Record<Label, string>, count);
}
