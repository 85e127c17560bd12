// `gpubroker cache-server`: the device API alone, for nodes on which other providers find the GPUs.
import { type Daemon, nodeEndpoints, runDaemon } from '../daemon/daemon.ts';
import { type CacheServerOptions, cacheServerOptions } from '../daemon/node-options.ts';
import { cacheServerSteps } from './serve.ts';

const cacheServer: Daemon<CacheServerOptions> = {
  name: 'cache-server',
  summary: "Serves NVIDIA's device API on a Unix socket; GPUs and their health come from providers that write to it.",
  examples: [
    ['gpubroker cache-server', 'Serve on /var/run/device-api/device.sock'],
    ['gpubroker cache-server --unix-socket /tmp/device.sock --data-dir /tmp/state', 'Serve as an ordinary user'],
  ],
  options: cacheServerOptions,
  endpoints: nodeEndpoints,
  steps: (context) => cacheServerSteps(context, { daemon: 'cache-server', sources: () => [] }),
};

/** Runs the daemon until it is told to stop; returns its exit code. */
export function runCacheServer(argv: readonly string[]): Promise<number> {
  return runDaemon(cacheServer, argv);
}
