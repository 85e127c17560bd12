// The process that restart.ts starts: a market on a database, until its first order is answered.
import { Registry } from 'prom-client';
import { createPipeline } from '../../src/broker/commit/pipeline.ts';
import { createEngine } from '../../src/broker/engine/engine.ts';
import { createLog } from '../../src/daemon/logger.ts';
import { bid, million } from './orders-of-bench.ts';

/** What it writes to standard output, as JSON. */
export interface Restarted {
  readonly orders: number;
  /** From the start of the process to the answer. */
  readonly seconds: number;
  /** Bytes, then and at most. */
  readonly rss: number;
  readonly peak: number;
}

const [url = '', accountId = ''] = process.argv.slice(2);
const pipeline = createPipeline({
  url,
  epoch: () => 0,
  createEngine,
  now: () => Date.now(),
  log: createLog({ daemon: 'bench', node: '', level: 'fatal', format: 'text' }).log,
  registry: new Registry(),
  patienceMs: 600_000,
});
await pipeline.start();
await pipeline.submit({ command: { kind: 'place', order: bid(accountId, { price: million }) }, actor: null });
const seconds = performance.now() / 1000;
const orders = await pipeline.read((engine) => engine.openOrders());
const { rss } = process.memoryUsage();
const found: Restarted = { orders, seconds, rss, peak: process.resourceUsage().maxRSS * 1024 };
process.stdout.write(JSON.stringify(found));
await pipeline.stop();
