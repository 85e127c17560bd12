// P8 and O4: how long a broker's market takes to serve again with a million open orders in its tables, and what memory
// it needs with them. The orders are written to the tables as the pipeline writes them, but without their commands; a
// process of its own then starts the pipeline, and its time counts from its start to the answer to its first order.
import { execFile } from 'node:child_process';
import { parseArgs, promisify } from 'node:util';
import { RowCollector } from '../../src/broker/commit/rows.ts';
import { writesOf } from '../../src/broker/commit/statement.ts';
import { MarketWriter } from '../../src/broker/commit/writer.ts';
import type { OrderImage } from '../../src/broker/engine/order.ts';
import { newId } from '../../src/broker/ids.ts';
import { openDatabase } from '../../src/broker/storage/database.ts';
import { migrate } from '../../src/broker/storage/migrator.ts';
import { createLog } from '../../src/daemon/logger.ts';
import { startTestPostgres } from '../../test/fixtures/postgres.ts';
import { sample } from '../device-api/statistics.ts';
import { bid, million, nodeWith } from './orders-of-bench.ts';
import type { Restarted } from './restart-process.ts';

const { values: given } = parseArgs({
  options: {
    orders: { type: 'string' },
    runs: { type: 'string', default: '3' },
    quick: { type: 'boolean', default: false },
    strict: { type: 'boolean', default: false },
  },
});
const orders = Number(given.orders ?? (given.quick ? '100000' : '1000000'));
const accounts = Array.from({ length: 10_000 }, () => newId());
const gpusOfNode = 64;
const budget = { seconds: 10, bytes: 2 ** 30 };
const piece = 10_000;

const server = await startTestPostgres({ shared_buffers: "'256MB'", max_wal_size: "'1GB'", wal_compression: 'pglz' });
const database = openDatabase({ url: server.url });
try {
  await migrate(database.db);
  await fill();
  const runs: Restarted[] = [];
  for (let run = 0; run < Number(given.runs); run++) runs.push(await restart());
  report(runs);
} finally {
  await database.close();
  await server.remove();
}

/** One in ten is an ask of a node with a GPU for it; prices are spread so that nothing trades. */
async function fill(): Promise<void> {
  const { log } = createLog({ daemon: 'bench', node: '', level: 'warn', format: 'text' });
  const writer = new MarketWriter(server.url, log);
  let place = await writer.open(0);
  const at = Date.now();
  for (let start = 0; start < orders; start += piece) {
    const rows = new RowCollector(0);
    const events = [...eventsOf(start, at)];
    const row = { seq: place.seq + 1, at, epoch: 0, accountId: null, userId: null, keyAccountId: null, key: null };
    rows.add({ ...row, digest: null, command: '{}', result: null, hash: place.hash }, undefined, events);
    const to = { ...place, seq: place.seq + 1, at, priority: start + piece };
    await writer.store(place.seq, to, writesOf({ ...rows.rows(), events: [] }, 1_000_000));
    place = to;
  }
  writer.close();
  await database.pool.query('vacuum analyze orders');
}

function* eventsOf(start: number, at: number): Generator<Parameters<RowCollector['add']>[2][number]> {
  let node = nodeWith(gpusOfNode);
  for (let index = start; index < start + piece; index++) {
    const isAsk = index % 10 === 0;
    if (isAsk && (index / 10) % gpusOfNode === 0) {
      node = nodeWith(gpusOfNode);
      yield { type: 'supply', node };
    }
    const accountId = isAsk ? node.accountId : (accounts[index % accounts.length] ?? '');
    const price = (isAsk ? 3 : 1) * million + ((index * 7919) % 5_000) * 100;
    const quantity = isAsk ? 1 : 1 + (index % 8);
    const escrow = isAsk ? 0 : price * quantity;
    const side = isAsk ? { side: 'ask' as const, nodeId: node.nodeId, placement: 'any' as const } : {};
    const order: OrderImage = {
      ...bid(accountId, { price, quantity, ...side }),
      status: 'pending',
      open: quantity,
      filled: 0,
      escrow,
      priority: index + 1,
      at,
      reason: '',
      createdAt: at,
      standing: false,
    };
    yield { type: 'order-created', order };
    if (isAsk) continue;
    const money = { reason: 'deposit', orderId: null, tradeId: null, id: newId(), reference: '' } as const;
    const outside = { accountId: null, kind: 'outside' } as const;
    yield {
      type: 'transfer',
      transfer: { ...money, from: outside, to: { accountId, kind: 'escrow' }, amount: escrow },
    };
    yield {
      type: 'transfer',
      transfer: { ...money, from: outside, to: { accountId, kind: 'available' }, amount: 100 * million },
    };
  }
}

/** Starts the market in a process of its own. */
async function restart(): Promise<Restarted> {
  const script = new URL('restart-process.ts', import.meta.url).pathname;
  const { stdout } = await promisify(execFile)(process.execPath, [script, server.url, accounts[1] ?? '']);
  const found = JSON.parse(stdout) as Restarted;
  process.stderr.write(`${found.seconds.toFixed(1)} s, ${(found.rss / 2 ** 20).toFixed(0)} MiB\n`);
  if (found.orders < orders) throw new Error(`${found.orders} orders are open, not ${orders}`);
  return found;
}

function report(runs: readonly Restarted[]): void {
  const seconds = sample(runs.map((run) => run.seconds));
  const rss = sample(runs.map((run) => run.rss));
  const peak = sample(runs.map((run) => run.peak));
  const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
  const isMet = seconds.median < budget.seconds && peak.median < budget.bytes;
  process.stdout.write(
    `${orders} open orders: ${seconds.median.toFixed(1)} s (${seconds.min.toFixed(1)}–${seconds.max.toFixed(1)}) from ` +
      `the start of the process to the first answer; ${mib(rss.median)} resident then, ${mib(peak.median)} at most\n` +
      `budget: ${budget.seconds} s and ${mib(budget.bytes)}: ${isMet ? 'met' : 'MISSED'}\n`,
  );
  if (given.strict && !isMet) process.exitCode = 1;
}
