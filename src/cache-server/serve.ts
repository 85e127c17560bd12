// The cache server put together: state, cache, services and sockets, as steps of a daemon's life.
import { mkdirSync } from 'node:fs';
import { bootId } from '../daemon/boot-id.ts';
import type { DaemonContext } from '../daemon/daemon.ts';
import type { Step } from '../daemon/lifecycle.ts';
import { type CacheServerOptions, type LogLevel, logLevels } from '../daemon/node-options.ts';
import { version } from '../daemon/version.ts';
import type { Source } from '../wire/gpubroker/device/v1/daemon.ts';
import { Cache } from './cache.ts';
import { type Controlled, daemonControlName } from './daemon-control.ts';
import { DeviceBook, deviceDetailsName } from './device-details.ts';
import { CacheError } from './errors.ts';
import type { CachedGpu } from './gpu.ts';
import { gpuServiceName } from './gpu-service.ts';
import { GpuWatches } from './gpu-watches.ts';
import { createGrpcServer, type Endpoint, listenOnSocket, listenOnTcp, type Served } from './grpc-server.ts';
import { Health } from './health.ts';
import { limits } from './limits.ts';
import { MeasurementRuns, type Measuring, measurementsName, measuringNothing } from './measurements.ts';
import { countHealth, createWatchMetrics, observeCache, watchStateFile } from './metrics.ts';
import { observeProviders } from './providers/metrics.ts';
import { Providers } from './providers/providers.ts';
import { providerRegistryName } from './providers/registry-service.ts';
import { expectReconfirmation } from './reconfirmation.ts';
import { Reflection } from './reflection.ts';
import { RpcMetrics } from './rpc-metrics.ts';
import { lockFolder } from './state/folder-lock.ts';
import { StateFile } from './state/state-file.ts';
import { readName } from './write.ts';

/** The parts of a running cache server that the agent writes to. */
export interface CacheServer {
  readonly cache: Cache;
  readonly book: DeviceBook;
  /** Whether the machine has booted since the cache was written. */
  readonly rebooted: boolean;
}

/** What the daemon adds to its cache server. */
export interface ServeOptions {
  /** The daemon's name, for GetStatus. */
  readonly daemon: string;
  /** The sources that look for GPUs, for GetStatus. */
  readonly sources: () => Source[];
  /** Called when the state is loaded, before anybody is served. */
  readonly opened?: (server: CacheServer) => void;
  /** Counts a GPU of the cache as reset, for DeclareReset; absent where the daemon checks no GPU's health. */
  readonly declareReset?: (gpu: string) => number;
  /** Measures GPUs; absent where the daemon finds none itself. */
  readonly measuring?: Measuring;
}

/** The steps that serve the cache, in order. */
export function cacheServerSteps(context: DaemonContext<CacheServerOptions>, serve: ServeOptions): readonly Step[] {
  const { options, log, registry } = context;
  let unlock: () => void = () => undefined;
  let state: StateFile;
  let served: Served;
  let giveUp: () => void = () => undefined;
  const endpoints: Endpoint[] = [];

  const stateStep: Step = {
    name: 'state',
    async start() {
      unlock = await lock(options.dataDir);
      state = await openState(context);
      const claims = new Map<string, string>();
      const clocks = { now: Date.now, clock: () => performance.now() };
      const cache = new Cache({
        store: state,
        restored: state.restored,
        claims,
        ...clocks,
        nameFormat: options.nameFormat,
        onError: (error) => log.error({ err: error }, 'a fault inside the cache'),
      });
      observeCache(cache, registry, options.conditionPolarity);
      const { watchHistorySize, watchQueueSize } = options;
      const watches = new GpuWatches(
        state.restored.version,
        watchHistorySize,
        watchQueueSize,
        createWatchMetrics(registry),
      );
      cache.observe(watches);
      const book = new DeviceBook(cache, watchQueueSize, options.conditionPolarity);
      const restored = state.restored.registrations;
      const providers = new Providers({ cache, claims, store: state, restored, ...clocks, log });
      observeProviders(providers, registry);
      const controlled = controlOf(context, cache, serve);
      const measurements = new MeasurementRuns(serve.measuring ?? measuringNothing(serve.daemon));
      const health = new Health();
      const reflection = new Reflection();
      const { heartbeatInterval } = options;
      served = { cache, watches, book, providers, heartbeatInterval, controlled, measurements, health, reflection };
      giveUp = expectReconfirmation(cache, heartbeatInterval);
      serve.opened?.({ cache, book, rebooted: state.restored.rebooted });
    },
    async stop() {
      giveUp();
      served.providers.stop();
      await state.close();
      unlock();
    },
  };

  /** A start that fails leaves nothing behind. */
  const closeAll = async (error: unknown): Promise<never> => {
    await Promise.all(endpoints.map((endpoint) => endpoint.close(AbortSignal.abort())));
    throw error;
  };

  const serveStep: Step = {
    name: 'device API',
    async start() {
      const metrics = new RpcMetrics(registry);
      const socket = createGrpcServer(served, { metrics, log, writable: true }, limits.streams);
      endpoints.push(await listenOnSocket(socket, options.unixSocket, options.socketMode, options.socketGroup));
      log.info({ socket: options.unixSocket }, 'serving the device API');
      if (options.grpcAddress !== '') {
        const rpc = { metrics, log, writable: options.grpcAllowWrites };
        const tcp = createGrpcServer(served, rpc, limits.tcpStreams);
        endpoints.push(await listenTcp(tcp, context).catch(closeAll));
      }
      followReadiness(context, served.health);
    },
    async stop(force) {
      served.watches.endAll();
      served.book.streams.endAll();
      served.measurements.endAll();
      served.health.endAll();
      served.reflection.endAll();
      await Promise.all(endpoints.map((endpoint) => endpoint.close(force)));
    },
  };
  return [stateStep, serveStep];
}

/** A folder that cannot be made is no reason not to serve: then there is nothing to lock. */
async function lock(folder: string): Promise<() => void> {
  try {
    mkdirSync(folder, { recursive: true });
  } catch {
    return () => undefined;
  }
  return lockFolder(folder);
}

function openState({ options, log, readiness, registry }: DaemonContext<CacheServerOptions>): Promise<StateFile> {
  const metrics = watchStateFile(registry);
  return StateFile.open({
    folder: options.dataDir,
    bootId: bootId(),
    now: Date.now,
    onTrouble: (message) => {
      metrics.trouble(message !== undefined);
      if (message === undefined) {
        readiness.ok('state');
        log.info('state is written again');
      } else {
        readiness.warn('state', message);
        log.error({ folder: options.dataDir }, message);
      }
    },
    onDamage: (message) => {
      metrics.damaged();
      log.error(`state was damaged: ${message}`);
    },
  });
}

async function listenTcp(server: Parameters<typeof listenOnTcp>[0], context: DaemonContext<CacheServerOptions>) {
  const { grpcAddress, tlsCert, tlsKey, grpcAllowWrites } = context.options;
  const tls = tlsCert === '' ? undefined : { cert: tlsCert, key: tlsKey };
  const endpoint = await listenOnTcp(server, grpcAddress, tls);
  context.log.info({ address: grpcAddress, port: endpoint.port, writes: grpcAllowWrites }, 'serving the device API');
  return endpoint;
}

/** gRPC health says what /readyz says. */
function followReadiness({ readiness }: DaemonContext<CacheServerOptions>, health: Health): void {
  const follow = () => {
    for (const service of [
      '',
      gpuServiceName,
      deviceDetailsName,
      daemonControlName,
      measurementsName,
      providerRegistryName,
    ]) {
      health.set(service, readiness.isReady);
    }
  };
  readiness.onChange(follow);
  follow();
}

function controlOf(
  { options, readiness, logLevel, startTime, log }: DaemonContext<CacheServerOptions>,
  cache: Cache,
  { daemon, sources, declareReset }: ServeOptions,
): Controlled {
  return {
    logLevels,
    get logLevel() {
      return logLevel.level();
    },
    set logLevel(level) {
      log.warn({ from: logLevel.level(), to: level }, 'log level changed');
      logLevel.setLevel(level as LogLevel);
    },
    async declareReset(name) {
      readName(name, 'name');
      const gpu = await new Promise<CachedGpu | undefined>((found) => {
        cache.read((view) => found(view.get(name)?.gpu));
      });
      if (!gpu) throw new CacheError('not-found', `no GPU is named ${JSON.stringify(name)}`);
      if (declareReset) return declareReset(gpu.name);
      throw new CacheError(
        'failed-precondition',
        `the ${daemon} checks no GPU's health itself: no reset is waited for`,
      );
    },
    status: () => ({
      daemon,
      version,
      nodeName: options.nodeName,
      startTime,
      ready: readiness.isReady,
      notReadyReasons: readiness.reasons(),
      warnings: readiness.warnings(),
      resourceVersion: BigInt(cache.peek().version()),
      gpus: countHealth(cache, options.conditionPolarity),
      sources: sources(),
      logLevel: logLevel.level(),
    }),
  };
}
