// The broker, or its database, is killed again and again while people trade: nothing that was acknowledged is lost, and
// nothing is done twice.
import { afterEach, expect, test } from 'vitest';
import { type BrokerProcess, killDatabase, removeBroker, startBroker } from '../fixtures/broker-process.ts';
import { freePorts } from '../fixtures/free-ports.ts';
import { anyMoment, LiveMarket, seeded } from '../fixtures/live-market.ts';
import { soaking } from '../properties.ts';

const minute = 60_000;
const cleanUp: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const remove of cleanUp.splice(0).reverse()) await remove();
}, 2 * minute);

/** Kills something of the broker, and waits for the broker's end. */
type Death = (broker: BrokerProcess) => Promise<void>;

const deaths: [string, number, Death][] = [
  ['the broker', soaking ? 100 : 3, (broker) => broker.kill()],
  [
    'PostgreSQL',
    soaking ? 100 : 2,
    async (broker) => {
      await killDatabase(broker.folder);
      // Without its database it ends by itself; who started it starts it again.
      expect(await broker.exited).toBe(1);
    },
  ],
  [
    'both at once',
    soaking ? 20 : 1,
    async (broker) => {
      await Promise.all([killDatabase(broker.folder), broker.kill()]);
    },
  ],
];

test.each(deaths)(
  'kill -9 of %s, %i times',
  async (_what, times, die) => {
    const random = seeded();
    const [http = 0, nodes = 0] = await freePorts(2);
    const flags = ['--http-address', `127.0.0.1:${http}`, '--node-link-address', `127.0.0.1:${nodes}`];
    let broker = await startBroker({ flags: [...flags, '--heartbeat-interval', '1s'] });
    const { folder } = broker;
    cleanUp.push(() => removeBroker(broker));
    const addresses = { urls: [broker.endpoints.http_url] };
    const database = ['--data-dir', folder] as const;
    const market = await LiveMarket.open({ broker, addresses, traders: 6, random, database });
    cleanUp.push(() => market.fleet.remove());
    market.start();
    for (let round = 1; round <= times; round++) {
      await market.progress(20);
      await anyMoment(random, 300);
      await die(broker);
      broker = await startBroker({ flags: [...flags, '--heartbeat-interval', '1s'], folder });
      market.fleet.broker = broker;
      if (round % 25 === 0) await market.recordsAgree();
      if (soaking && round % 10 === 0) process.stdout.write(`${round} of ${times}\n`);
    }
    await market.progress(20);
    await market.finish();
    await market.check();
  },
  soaking ? 90 * minute : 5 * minute,
);
