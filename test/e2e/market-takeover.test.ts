// A standby takes the market over while people trade; the broker that was paused wakes up, and writes and tells nothing.
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import type { NewOrder, Order } from '../../src/api/orders.ts';
import { createClient } from '../../src/client/client.ts';
import {
  type BrokerProcess,
  newBrokerFolder,
  removeBroker,
  type StartedBroker,
  spawnBroker,
} from '../fixtures/broker-process.ts';
import { freePorts } from '../fixtures/free-ports.ts';
import { LiveMarket, seeded } from '../fixtures/live-market.ts';
import { startTestPostgres } from '../fixtures/postgres.ts';
import { portOf } from '../fixtures/tcp-proxy.ts';
import { soaking } from '../properties.ts';

const minute = 60_000;
const rounds = soaking ? 20 : 1;
const cleanUp: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const remove of cleanUp.splice(0).reverse()) await remove();
}, 2 * minute);

test(
  'SIGSTOP of the leader under load, SIGCONT when the standby leads',
  async () => {
    const postgres = await startTestPostgres();
    cleanUp.push(() => postgres.remove());
    const ports = await freePorts(2);
    const random = seeded();
    let leader = await startOn(0).serving();
    const market = await LiveMarket.open({
      broker: leader,
      addresses: { urls: ports.map((port) => `http://127.0.0.1:${port}`) },
      traders: 4,
      random,
      database: ['--database-url', postgres.url],
    });
    cleanUp.push(() => market.fleet.remove());
    // For the patient orders, so that money is no reason to refuse them.
    await leader.admin.call('POST /wallet/deposits', { body: { amount: '1000' } });
    market.start();
    for (let round = 1; round <= rounds; round++) {
      const standby = startOn(round % 2, leader);
      await vi.waitFor(async () => {
        expect((await standby.health('/readyz')).body).toContain('another broker leads; this one stands by');
      }, minute);
      await market.progress(20);
      leader.process.kill('SIGSTOP');
      const patient = patientOrders(leader);
      const next = await standby.serving();
      market.fleet.proxy.leadTo(portOf(next.endpoints.node_link_url));
      market.fleet.proxy.cut();
      // Whoever asks in vain turns to the other address.
      await market.progress(20);
      leader.process.kill('SIGCONT');
      expect(await leader.exited).toBe(1);
      await neitherToldNorDone(await patient, market);
      leader = { ...next, adminKey: leader.adminKey };
      market.fleet.broker = leader;
    }
    await market.progress(20);
    await market.finish();
    await market.check();

    /** A broker on one of the two ports, with the authority of the first. */
    function startOn(place: number, first?: BrokerProcess): StartedBroker {
      const folder = newBrokerFolder();
      if (first) for (const file of ['ca.crt', 'ca.key']) copyFileSync(join(first.folder, file), join(folder, file));
      const address = ['--http-address', `127.0.0.1:${ports[place]}`, '--heartbeat-interval', '1s'];
      const broker = spawnBroker({ folder, flags: ['--database-url', postgres.url, ...address] });
      cleanUp.push(() => removeBroker(broker));
      return broker;
    }
  },
  soaking ? 90 * minute : 5 * minute,
);

interface Patient {
  readonly name: string;
  /** What the broker that was paused answered; undefined for nothing. */
  readonly answer: Order | undefined;
}

/** Orders that are sent to a paused broker, by who waits for its answer however long that takes. */
function patientOrders({ endpoints, adminKey }: BrokerProcess): Promise<Patient[]> {
  const client = createClient({ url: endpoints.http_url, token: adminKey, timeout: 2 * minute });
  const names = Array.from({ length: 8 }, (_none, place) => `patient-${Date.now()}-${place}`);
  return Promise.all(
    names.map(async (name) => {
      const body: NewOrder = {
        type: 'bid',
        gpu_type: 'H100-SXM5-80GB',
        quantity: 1,
        price: '0.01',
        duration_hours: 1,
        client_order_id: name,
      };
      const answer = await client.call('POST /orders', { body }).catch(() => undefined);
      return { name, answer };
    }),
  );
}

/** The paused broker led no more when it read them. */
async function neitherToldNorDone(patients: readonly Patient[], market: LiveMarket): Promise<void> {
  expect(patients.filter(({ answer }) => answer !== undefined)).toEqual([]);
  for (const { name } of patients) {
    const query = { client_order_id: name };
    const { body } = await market.admin.insist((client) => client.call('GET /orders', { query }));
    expect(body?.items).toEqual([]);
  }
}
