// The metrics of the commit pipeline.
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { EngineEvent } from '../engine/events.ts';

export interface PipelineMetrics {
  /** A batch is durable. */
  committed(commands: number, seconds: number, events: readonly EngineEvent[]): void;
  /** A command was answered, so long after it came. */
  answered(seconds: number): void;
  /** The database had to be asked again. */
  retried(): void;
  /** The engine was made anew from the tables. */
  rebuilt(seconds: number): void;
}

export function createPipelineMetrics(registry: Registry, queueLength: () => number): PipelineMetrics {
  const registers = [registry];
  const orders = new Counter({
    name: 'gpubroker_orders_total',
    help: 'Orders that were accepted, by type; standing asks too.',
    labelNames: ['type'],
    registers,
  });
  const trades = new Counter({ name: 'gpubroker_trades_executed_total', help: 'Trades.', registers });
  const sizes = new Histogram({
    name: 'gpubroker_market_batch_size',
    help: 'Commands in a batch of the market.',
    buckets: [1, 4, 16, 64, 250],
    registers,
  });
  const commits = new Histogram({
    name: 'gpubroker_market_commit_seconds',
    help: 'How long a batch of the market took to be stored, in seconds.',
    buckets: [0.001, 0.003, 0.01, 0.03, 0.05, 0.1, 0.3, 1, 3, 10],
    registers,
  });
  const answers = new Histogram({
    name: 'gpubroker_market_durable_seconds',
    help: 'From the arrival of a command of the market until it was durable, in seconds.',
    buckets: [0.001, 0.003, 0.01, 0.02, 0.03, 0.05, 0.1, 0.3, 1, 3, 10],
    registers,
  });
  const retries = new Counter({
    name: 'gpubroker_market_commit_retries_total',
    help: 'Batches of the market that had to be stored again, or looked for, after the database failed.',
    registers,
  });
  const rebuilds = new Counter({
    name: 'gpubroker_market_rebuilds_total',
    help: 'How often the market was made anew from the tables, the start included.',
    registers,
  });
  const rebuildSeconds = new Gauge({
    name: 'gpubroker_market_rebuild_seconds',
    help: 'How long it took the last time, in seconds.',
    registers,
  });
  new Gauge({
    name: 'gpubroker_market_queue_length',
    help: 'Commands of the market that wait to be stored.',
    registers,
    collect() {
      this.set(queueLength());
    },
  });
  return {
    committed: (commands, seconds, events) => {
      sizes.observe(commands);
      commits.observe(seconds);
      for (const event of events) {
        if (event.type === 'order-created') orders.inc({ type: event.order.side });
        else if (event.type === 'trade') trades.inc();
      }
    },
    answered: (seconds) => answers.observe(seconds),
    retried: () => retries.inc(),
    rebuilt: (seconds) => {
      rebuilds.inc();
      rebuildSeconds.set(seconds);
    },
  };
}
