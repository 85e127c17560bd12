// P: how long the broker takes to store a whole fleet: its first snapshots, and every GPU turning unhealthy at once.
//
// node bench/broker/fleet-event.ts [--nodes 10000] [--gpus 8]
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { createIngest } from '../../src/broker/registry/ingest/ingest.ts';
import { openDatabase } from '../../src/broker/storage/database.ts';
import { migrate } from '../../src/broker/storage/migrator.ts';
import {
  change,
  gpu,
  heartbeatMs,
  insertNodes,
  insertPlace,
  joinedNode,
  snapshot,
  TestClock,
} from '../../test/broker/registry/ingest/fixture.ts';
import { startTestPostgres } from '../../test/fixtures/postgres.ts';

const { values } = parseArgs({
  options: { nodes: { type: 'string', default: '10000' }, gpus: { type: 'string', default: '8' } },
});
const nodes = Number(values.nodes);
const gpusPerNode = Number(values.gpus);
if (!Number.isInteger(nodes) || nodes < 1) throw new Error('--nodes: give a whole number of at least 1');
if (!Number.isInteger(gpusPerNode) || gpusPerNode < 1) throw new Error('--gpus: give a whole number of at least 1');

/** Runs one message of every node, all sent at once, and says how fast they were stored. */
async function timed(what: string, send: (nodeId: string, place: number) => Promise<unknown>): Promise<void> {
  const from = performance.now();
  await Promise.all(ids.map(send));
  const seconds = (performance.now() - from) / 1000;
  console.log(`${what}: ${seconds.toFixed(1)} s, ${Math.round((nodes * gpusPerNode) / seconds)} GPUs/s`);
}

const gpusOf = (node: number, health: 'healthy' | 'unhealthy') =>
  Array.from({ length: gpusPerNode }, (_, slot) => gpu(`gpu-${node}-${slot}`, health, { serial: `${node}-${slot}` }));

const server = await startTestPostgres({ shared_buffers: "'512MB'", max_wal_size: "'4GB'" });
const { db, close } = openDatabase({ url: server.url, maxConnections: 4 });
await migrate(db);
const clock = new TestClock();
const place = await insertPlace(db, clock);
const ids = await insertNodes(db, clock, place, nodes);
const ingest = createIngest({
  database: db,
  now: clock.now,
  log: pino({ level: 'warn' }),
  registry: new Registry(),
  heartbeatMs,
});
try {
  await timed('joins', (id) => ingest.joined(joinedNode(place, id, clock)));
  await timed('snapshots', (id, node) => ingest.snapshot(id, 'spool', snapshot(0, gpusOf(node, 'healthy'))));
  for (const [round, health] of (['unhealthy', 'healthy', 'unhealthy'] as const).entries()) {
    clock.advance(60_000);
    await timed(`all ${health}`, (id, node) =>
      ingest.changes(
        id,
        'spool',
        gpusOf(node, health).map((each, slot) => change(round * gpusPerNode + slot + 1, each)),
      ),
    );
  }
} finally {
  await ingest.close();
  await close();
  await server.remove();
}
