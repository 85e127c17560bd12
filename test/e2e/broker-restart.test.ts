// Brokers that come and go: one that is stopped and started, one that stands by, one that wakes up too late.
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, expect, test, vi } from 'vitest';
import { createClient } from '../../src/client/client.ts';
import {
  type BrokerProcess,
  newBrokerFolder,
  removeBroker,
  type StartedBroker,
  spawnBroker,
  startBroker,
} from '../fixtures/broker-process.ts';
import { Fleet, type Machine } from '../fixtures/fleet.ts';
import { startTestPostgres } from '../fixtures/postgres.ts';
import { portOf } from '../fixtures/tcp-proxy.ts';

const patience = { timeout: 90_000, interval: 250 };

/** What each test leaves behind, last first. */
const cleanUp: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const remove of cleanUp.splice(0).reverse()) await remove();
}, 90_000);

test('SIGTERM: the broker says goodbye and ends with 0; its nodes wait each for a time of its own, and come back', async () => {
  const fleet = await started(await Fleet.start([1, 1, 1]));
  await fleet.converged();
  await connected(fleet, 1);
  expect(await fleet.broker.stop()).toBe(0);
  await Promise.all(fleet.machines.map(({ agent }) => agent.logged('the broker is away')));
  for (const { agent } of fleet.machines) {
    expect(agent.log.find(({ msg }) => msg === 'the broker is away')?.reason).toContain('GPUB_BROKER_STOPPING');
  }
  await fleet.restartBroker();
  await connected(fleet, 2);
  await fleet.converged();
  // Each chose by chance: that three waited for exactly as long would be no chance.
  const waits = fleet.machines.map(
    ({ agent }) => timeOf(agent.log, 'connected to the broker') - timeOf(agent.log, 'the broker is away'),
  );
  expect(new Set(waits).size).toBeGreaterThan(1);
}, 180_000);

test('a second broker on the same database stands by, and takes over when the first is killed', async () => {
  const { fleet, first, second } = await pair();
  expect((await second.health('/readyz')).status).toBe(503);
  expect((await second.health('/livez')).status).toBe(200);
  await first.kill();
  const [machine] = fleet.machines as [Machine];
  machine.driver.update(() => {
    machine.driver.gpu(0).lost = true;
  });
  await leadTo(fleet, first, second);
  expect((await second.health('/readyz')).status).toBe(200);
  await fleet.converged();
}, 180_000);

test('a broker that was stopped for too long writes nothing when it wakes up, and ends', async () => {
  const { fleet, first, second, url } = await pair();
  first.process.kill('SIGSTOP');
  await leadTo(fleet, first, second);
  await fleet.converged();
  await vi.waitFor(async () => expect(await fleet.statuses()).toEqual(['healthy', 'healthy']), patience);
  const epoch = await query(url, 'select epoch, holder from leader');
  const journal = 'select seq, kind, at, data from journal order by seq';
  const before = await query(url, journal);
  first.process.kill('SIGCONT');
  expect(await first.exited).toBe(1);
  expect(first.output.join('\n')).toContain('leadership was lost');
  expect(await query(url, 'select epoch, holder from leader')).toEqual(epoch);
  // Nothing has happened to any node meanwhile, so that whatever stood here would be the first one's.
  expect(await query(url, journal)).toEqual(before);
  await fleet.converged();
  expect(await fleet.statuses()).toEqual(['healthy', 'healthy']);
}, 180_000);

interface Pair {
  readonly fleet: Fleet;
  readonly first: BrokerProcess;
  readonly second: StartedBroker;
  /** Of the database. */
  readonly url: string;
}

/** Two brokers with one database and one authority; nodes have joined the first. */
async function pair(): Promise<Pair> {
  const postgres = await startTestPostgres();
  cleanUp.push(() => postgres.remove());
  const flags = ['--database-url', postgres.url, '--heartbeat-interval', '1s'];
  const first = await startBroker({ flags });
  const folder = newBrokerFolder();
  for (const file of ['ca.crt', 'ca.key']) copyFileSync(join(first.folder, file), join(folder, file));
  const second = spawnBroker({ flags, folder });
  cleanUp.push(() => removeBroker(second));
  const fleet = await started(await Fleet.join(first, [2, 1]));
  await fleet.converged();
  await vi.waitFor(async () => {
    expect((await second.health('/readyz')).body).toContain('another broker leads; this one stands by');
  }, patience);
  return { fleet, first, second, url: postgres.url };
}

/** Waits until the second broker serves, and leads the network and the test to it. */
async function leadTo(fleet: Fleet, first: BrokerProcess, second: StartedBroker): Promise<void> {
  cleanUp.push(() => removeBroker(first));
  const serving = await second.serving();
  const { http_url, node_link_url } = serving.endpoints;
  fleet.broker = {
    ...serving,
    adminKey: first.adminKey,
    admin: createClient({ url: http_url, token: first.adminKey }),
  };
  fleet.proxy.leadTo(portOf(node_link_url));
  fleet.proxy.cut();
  // Else what is seen is what the first one left in the database.
  const all = new RegExp(`^gpubroker_node_streams ${fleet.machines.length}$`, 'm');
  await vi.waitFor(async () => expect((await second.health('/metrics')).body).toMatch(all), patience);
  await vi.waitFor(async () => expect(await fleet.statuses()).not.toContain('offline'), patience);
}

async function started(fleet: Fleet): Promise<Fleet> {
  cleanUp.push(() => fleet.remove());
  return fleet;
}

/** Waits until every node has connected so many times. */
async function connected(fleet: Fleet, times: number): Promise<void> {
  await vi.waitFor(() => {
    for (const { agent } of fleet.machines) {
      expect(agent.log.filter(({ msg }) => msg === 'connected to the broker')).toHaveLength(times);
    }
  }, patience);
}

/** When it was last logged. */
function timeOf(log: readonly Record<string, unknown>[], message: string): number {
  return Date.parse(String(log.findLast(({ msg }) => msg === message)?.time));
}

async function query(url: string, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}
