// The smallest daemon, as a process of its own for the tests. Plays the fault that TEST_FAULT names.
import { nodeEndpoints, runDaemon } from '../../src/daemon/daemon.ts';
import { cacheServerOptions } from '../../src/daemon/node-options.ts';

const faults: Record<string, () => void> = {
  throw: () => {
    throw new Error('thrown out of nowhere');
  },
  reject: () => void Promise.reject(new Error('rejected out of nowhere')),
};

await runDaemon(
  {
    name: 'cache-server',
    summary: 'Does nothing.',
    examples: [['gpubroker cache-server', 'Do nothing']],
    options: cacheServerOptions,
    endpoints: nodeEndpoints,
    steps: ({ log }) => [
      {
        name: 'fault',
        start: () => {
          const fault = faults[process.env.TEST_FAULT ?? ''];
          if (fault) setTimeout(fault, 10);
        },
        stop: () => log.info('drained'),
      },
    ],
  },
  process.argv.slice(2),
);
