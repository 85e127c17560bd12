// `gpubroker broker`: the daemon at the centre of the market.
import { parseAddress } from '../daemon/address.ts';
import { type BrokerOptions, brokerNode, brokerOptions } from '../daemon/broker-options.ts';
import { type Daemon, runDaemon } from '../daemon/daemon.ts';
import { brokerSteps } from './broker.ts';

const broker: Daemon<BrokerOptions> = {
  name: 'broker',
  summary: 'Keeps the inventory of all nodes true, and serves it to people and programs.',
  examples: [
    ['gpubroker broker', 'Serve on this machine alone, with a database of its own'],
    [
      'gpubroker broker --http-address 0.0.0.0:10355 --node-link-address 0.0.0.0:10356 --tls-cert c.pem --tls-key k.pem',
      'Serve others',
    ],
    ['GPUBROKER_DATABASE_URL=postgres://… gpubroker broker', 'Use a PostgreSQL of yours'],
  ],
  options: brokerOptions,
  endpoints: ({ metricsAddress }) => ({
    node: brokerNode(),
    metrics: parseAddress(metricsAddress) ?? { host: '127.0.0.1', port: 0 },
  }),
  steps: brokerSteps,
};

/** Runs the daemon until it is told to stop, or `gpubroker up` is gone that started it; returns its exit code. */
export function runBroker(argv: readonly string[]): Promise<number> {
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
  return runDaemon(broker, argv);
}
